package loop

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/internal/clock"
	"github.com/coxswain-hpc/coxswain/internal/testsignal"
	"github.com/coxswain-hpc/coxswain/scheduler"
)

// Options are what a Loop is made of. Store, Election, Clock, Logger, Holder and Rand are needed.
type Options struct {
	Store    Store
	Election Election
	// History finds ended pods for Explain; nil: only what the job's record tells.
	History History
	// Bell wakes the loop when something was stored; nil: the poll alone.
	Bell   <-chan struct{}
	Clock  clock.Clock
	Logger *slog.Logger
	// Holder names this process in the leader row; two living processes never share one.
	Holder string
	// HolderGone says that the process which a holder names is dead for certain (for a quick restart
	// on one host); nil never does.
	HolderGone func(holder string) bool
	Policy     scheduler.Policy
	// Budget bounds the node evaluations of a cycle; 0 means scheduler.DefaultBudget.
	Budget int64
	// LeaseSeconds is how long a leader's beat may stand still. Default 10.
	LeaseSeconds int64
	// SuspectSeconds and DownSeconds are how long a node may be silent before it gets no new pods,
	// and before its pods are given up. Defaults 40 and 330.
	SuspectSeconds, DownSeconds int64
	// LookSeconds lies between two looks at the node leases. Default 2.
	LookSeconds int64
	// Rand is the loop's own source; equal sources and stores give equal histories.
	Rand *rand.Rand
}

// WithDefaults returns the options with every unset field filled.
func (o Options) WithDefaults() Options {
	fill := func(field *int64, value int64) {
		if *field == 0 {
			*field = value
		}
	}
	fill(&o.LeaseSeconds, 10)
	fill(&o.SuspectSeconds, 40)
	fill(&o.DownSeconds, 330)
	fill(&o.LookSeconds, 2)
	return o
}

// Validate reports the first option that makes no sense.
func (o Options) Validate() error {
	switch {
	case o.Store == nil || o.Election == nil || o.Clock == nil || o.Logger == nil || o.Rand == nil:
		return errors.New("loop: Store, Election, Clock, Logger and Rand are needed")
	case o.Holder == "":
		return errors.New("loop: Holder must name this process")
	case o.DownSeconds <= o.SuspectSeconds:
		return errors.New("loop: DownSeconds must be longer than SuspectSeconds")
	}
	return nil
}

const (
	// tick is the longest pause between two steps: it backs up the bell and drives begin times.
	tick = time.Second
	// stepTimeout bounds a step: a store that hangs must not hang the leader; its term is over by then.
	stepTimeout = 30 * time.Second
	// resignTimeout bounds the farewell at a clean stop.
	resignTimeout = 2 * time.Second
)

// Loop is the leader's loop, or the contender for it. Make it with New. Run drives it; a simulation
// calls Step itself. Explain, CheckFeasible, Leading and Metrics may be called at any time.
type Loop struct {
	store   Store
	history History
	bell    <-chan struct{}
	clock   clock.Clock
	log     *slog.Logger
	policy  scheduler.Policy
	budget  int64
	rand    *rand.Rand

	// These belong to the goroutine that steps.
	elector     elector
	leases      leaseWatch
	ids         map[api.JobID]idBlock
	cursor      *api.CycleCursor
	holds       []api.CapacityHold
	reasonsAt   time.Duration
	reasonsLeft bool
	gaugedAt    time.Duration
	refused     bool
	refusals    int // steps in a row with a refused unit

	// explaining is taken before mu by whoever wants an explanation, which may cost a cycle: however many
	// ask, the loop waits for one of them at a time.
	explaining sync.Mutex
	// mu guards world (its content too), metrics and leadTerm against Explain and its like. The
	// stepping goroutine alone writes them, so it may read without.
	mu       sync.Mutex
	world    *world
	metrics  Metrics
	leadTerm int64 // 0: does not lead
	// stepFailed: the last step did not come to its end.
	stepFailed bool

	// Stepped tells a test of each finished step.
	Stepped testsignal.Signal[Metrics]
}

// New returns a Loop that does nothing yet.
func New(o Options) (*Loop, error) {
	o = o.WithDefaults()
	if err := o.Validate(); err != nil {
		return nil, err
	}
	l := &Loop{
		store: o.Store, history: o.History, bell: o.Bell, clock: o.Clock,
		log: o.Logger.With(slog.String("service", "scheduler")), policy: o.Policy, budget: o.Budget, rand: o.Rand,
		elector: elector{
			election: o.Election, holder: o.Holder, gone: o.HolderGone,
			lease: time.Duration(o.LeaseSeconds) * time.Second,
		},
		leases: leaseWatch{
			suspectAfter: time.Duration(o.SuspectSeconds) * time.Second,
			downAfter:    time.Duration(o.DownSeconds) * time.Second,
			interval:     time.Duration(o.LookSeconds) * time.Second,
		},
		ids: map[api.JobID]idBlock{},
	}
	l.leases.reset()
	return l, nil
}

// Run steps until ctx ends, and then gives up the lead.
func (l *Loop) Run(ctx context.Context) error {
	defer l.resign(context.WithoutCancel(ctx))
	timer := l.clock.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		case _, rings := <-l.bell:
			if !rings {
				l.bell = nil // the poll alone is left
			}
		}
		wait := l.boundedStep(ctx)
		timer.Reset(wait)
	}
}

func (l *Loop) boundedStep(ctx context.Context) time.Duration {
	ctx, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	return l.Step(ctx)
}

func (l *Loop) resign(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, resignTimeout)
	defer cancel()
	l.elector.resign(ctx, l.log)
	l.setLeading(0)
	l.forget()
}

// Leading returns the term in which this loop leads; ok is false when it does not.
func (l *Loop) Leading() (term int64, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.leadTerm, l.leadTerm != 0
}

func (l *Loop) setLeading(term int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.leadTerm = term
}

func (l *Loop) stepDown(why string) {
	l.log.Info("no longer the leader", slog.Int64("term", l.elector.term), slog.String("why", why))
	l.elector.leading = false
	l.setLeading(0)
	l.forget()
}
