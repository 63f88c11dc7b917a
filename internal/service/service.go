// Package service is the one shape of everything that runs in the background: Start and Stop
// around a RunOnce.
//
// RunOnce takes no input but the time. It looks at what is stored, does what is due, and may be
// run at any moment, any number of times: so normal work, recovery after a crash and a lost
// wake-up all take the same path. A Loop calls it at the start, at every interval, and soon after
// each Wake; Wakes that arrive meanwhile become one more run. Tests call RunOnce themselves, or
// start the Loop on a fake clock.
//
// A service must not pass work through Wake: what is to be done is read from the store.
package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/coxswain-hpc/coxswain/internal/backoff"
	"github.com/coxswain-hpc/coxswain/internal/clock"
	"github.com/coxswain-hpc/coxswain/internal/testsignal"
)

// Runner is the work of a service.
type Runner interface {
	// RunOnce does what is due at now and returns. It is called by one goroutine at a time, must
	// be idempotent, and must return soon after ctx ends. An error is logged by the Loop, shown
	// in its Status, and followed by another run: nothing needs to be undone for that.
	RunOnce(ctx context.Context, now time.Time) error
}

// RunnerFunc is a function that is a Runner.
type RunnerFunc func(ctx context.Context, now time.Time) error

// RunOnce implements Runner.
func (f RunnerFunc) RunOnce(ctx context.Context, now time.Time) error { return f(ctx, now) }

// Service is what a composition root starts and stops; a Loop is one.
type Service interface {
	// Start begins the work and returns; the end of ctx stops it as Stop does.
	Start(ctx context.Context) error
	// Stop ends the work and waits until it ended. It may be called at any time and repeatedly.
	Stop()
}

// Config says when a Loop runs. Name is needed; the rest has defaults.
type Config struct {
	// Name is the service's name in logs, metrics and Status: a snake_case noun.
	Name string
	// Interval is the longest pause between the end of a run and the next start. Default 10 s.
	Interval time.Duration
	// Timeout ends the context of a run that takes longer. Default 1 min; negative means never.
	Timeout time.Duration
	// Retry is the pause after failures in a row, at most Interval. Default 100 ms doubling up to Interval.
	Retry backoff.Policy
}

// WithDefaults returns the Config with every unset field filled.
func (c Config) WithDefaults() Config {
	if c.Interval == 0 {
		c.Interval = 10 * time.Second
	}
	if c.Timeout == 0 {
		c.Timeout = time.Minute
	}
	if c.Retry == (backoff.Policy{}) {
		c.Retry = backoff.Policy{Min: 100 * time.Millisecond, Max: c.Interval}
	}
	return c
}

// Validate reports the first field that makes no sense.
func (c Config) Validate() error {
	switch {
	case c.Name == "":
		return errors.New("service: a loop needs a name")
	case c.Interval < 0:
		return fmt.Errorf("service %s: interval %s is negative", c.Name, c.Interval)
	}
	return nil
}

// Loop runs a Runner by signal and timer. Make it with New.
type Loop struct {
	config  Config
	runner  Runner
	clock   clock.Clock
	log     *slog.Logger
	backoff *backoff.Backoff
	wake    chan struct{}

	mu     sync.Mutex
	cancel context.CancelFunc
	done   chan struct{}
	status Status

	// Ran tells a test of each finished run.
	Ran testsignal.Signal[Status]
}

var _ Service = (*Loop)(nil)

// Deps are what every Loop needs from its surroundings. All fields are needed.
type Deps struct {
	Clock clock.Clock
	Log   *slog.Logger
	// Rand gives the jitter of retries. Each Loop takes one of its own: it is not shared between goroutines.
	Rand *rand.Rand
}

// New returns a Loop that is not started.
func New(config Config, runner Runner, deps Deps) (*Loop, error) {
	config = config.WithDefaults()
	if err := config.Validate(); err != nil {
		return nil, err
	}
	return &Loop{
		config:  config,
		runner:  runner,
		clock:   deps.Clock,
		log:     deps.Log.With(slog.String("service", config.Name)),
		backoff: backoff.New(config.Retry, deps.Rand),
		wake:    make(chan struct{}, 1),
		status:  Status{Name: config.Name},
	}, nil
}
