// Package sim runs a whole cluster in one goroutine on virtual time: several servers with their
// scheduler loops and kubelet streams, nodes with kubelets and processes, users, and an unreliable
// world between them. Everything follows from one seed.
//
// Real: scheduler/loop with the scheduler's Cycle, apiserver/stream, kubelet/reconcile, kubelet/outbox,
// and the state tables. The kubelet's agent is played by agent.go, since the real one is made of
// goroutines; it decides by the same pure code. Simulated: time, the network, machines, users, and
// the database (memstore, which passes the suite of the real store).
//
// Words. An event is a function at a moment; events of one moment run in the order in which they were
// planned. A run has two phases: first faults are injected as the plan says, then everything heals and
// the cluster must come to rest within a bound. A checker only looks: at every change of the store, at
// every process that starts, and after every event.
//
// The package must not use the real clock, global randomness, goroutines, or the order of a map for
// anything that has an effect: equal seeds give equal traces.
package sim

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/coxswain-hpc/coxswain/internal/sim/memstore"
)

// Result is what a run came to.
type Result struct {
	Seed uint64
	Plan Plan
	// Err is what a checker found, nil for a good run. Trace are the last lines before it.
	Err   error
	Trace []string
	// Hash is that of all trace lines, Events their count: equal seeds give equal ones.
	Hash   uint64
	Events int
	// Stats counts what happened, for the one who judges whether a run was worth its time.
	Stats Stats
	// Took is the virtual time of the run.
	Took time.Duration
}

// Stats counts what happened in a run, by words such as "refused unit" or "pod node_failed".
type Stats map[string]int

// Sim is one run under way.
type Sim struct {
	engine
	trace
	plan     Plan
	seed     uint64
	store    *memstore.Store
	servers  []*server
	machines []*machine
	net      *network
	users    *users
	checker  *checker
	faults   *rand.Rand
	stats    Stats
	ctx      context.Context //nolint:containedctx // handed to the real parts, which never wait

	storeDownUntil time.Duration
	healed         bool
}

// Options choose a run.
type Options struct {
	Seed uint64
	// Trace is given every line of the trace; nil for the last lines in the result alone.
	Trace func(line string)
}

// Run simulates the cluster that belongs to the seed.
func Run(ctx context.Context, o Options) Result {
	s := newSim(ctx, o)
	s.start()
	s.runUntil(s.plan.FaultTime)
	if s.err == nil {
		s.heal()
		s.settleDown()
	}
	return Result{
		Seed: o.Seed, Plan: s.plan, Err: s.err, Trace: s.lines(), Hash: s.hash.Sum64(), Events: s.ran,
		Stats: s.stats, Took: s.now,
	}
}

func newSim(ctx context.Context, o Options) *Sim {
	s := &Sim{ctx: ctx, seed: o.Seed, stats: Stats{}}
	s.init(o.Trace)
	s.plan = drawPlan(s.source("plan"))
	s.faults = s.source("faults")
	s.checker = newChecker(s)
	s.store = memstore.New(memstore.Options{ClusterName: "sim", Epoch: "1", Observer: s.checker, Bell: s.ring})
	s.net = newNetwork(s)
	s.after1 = s.checker.afterEvent
	return s
}

// source is a random source of its own for a part, so that a change in one part leaves the others.
func (s *Sim) source(part string) *rand.Rand {
	var mixed uint64 = 14695981039346656037
	for _, c := range []byte(part) {
		mixed = (mixed ^ uint64(c)) * 1099511628211
	}
	return rand.New(rand.NewPCG(s.seed, mixed))
}

func (s *Sim) start() {
	s.users = newUsers(s)
	s.users.makePolicy()
	for i := range s.plan.Servers {
		v := newServer(s, i)
		s.servers = append(s.servers, v)
		v.boot()
	}
	for i := range s.plan.Nodes {
		m := newMachine(s, i)
		s.machines = append(s.machines, m)
		m.boot()
	}
	s.users.begin()
	s.startFaults()
}

// ring is the bell of the store: every server hears it a little later.
func (s *Sim) ring() {
	for _, v := range s.servers {
		v.ring()
	}
}

// count counts something that happened.
func (s *Sim) count(what string) { s.stats[what]++ }

// fail ends the run with what a checker found.
func (s *Sim) fail(format string, args ...any) {
	if s.err == nil {
		s.err = fmt.Errorf(format, args...)
		s.note("FAILED: %v", s.err)
	}
}

// note writes a line of the trace.
func (s *Sim) note(format string, args ...any) { s.add(s.now, fmt.Sprintf(format, args...)) }
