package sim

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/apiserver/stream"
	"github.com/coxswain-hpc/coxswain/internal/sim/memstore"
	"github.com/coxswain-hpc/coxswain/scheduler"
	"github.com/coxswain-hpc/coxswain/scheduler/loop"
)

// Times of a server, as the real one has them.
const (
	feedPoll      = time.Second
	streamSilence = time.Minute
	stepCostMax   = 5 * time.Millisecond
	bellDelayMax  = 20 * time.Millisecond
)

// server is a replica: a loop that leads or contends, a feed that it follows, and kubelets' streams.
type server struct {
	sim   *Sim
	id    int
	rng   *rand.Rand
	clock simClock

	alive       bool
	life        int // counts the starts of the process
	pausedUntil time.Duration
	cutUntil    time.Duration // from the store
	store       *memstore.Faulty
	loop        *loop.Loop
	stepAt      time.Duration // of the next step; 0: none is planned
	stepNumber  int
	inStep      bool
	refused     uint64 // units, as counted
	waits       bool   // for the store, in the middle of a step
	stoodStill  bool   // in the middle of the last step
	ringing     bool
	cursor      api.Cursor
	streams     map[string]*conn
}

func newServer(s *Sim, id int) *server {
	v := &server{sim: s, id: id, rng: s.source(fmt.Sprintf("server %d", id))}
	skew := time.Duration(0)
	if s.plan.SkewMax > 0 {
		skew = upTo(v.rng, 2*s.plan.SkewMax) - s.plan.SkewMax
	}
	v.clock = simClock{engine: &s.engine, skew: skew}
	return v
}

func (v *server) name() string { return fmt.Sprintf("s%d.%d", v.id, v.life) }

// boot starts the process.
func (v *server) boot() {
	v.life++
	v.alive, v.inStep, v.ringing, v.waits = true, false, false, false
	v.stepAt, v.pausedUntil, v.refused = 0, 0, 0
	v.cursor, v.streams = api.Cursor{}, map[string]*conn{}
	v.store = v.faultyStore()
	l, err := loop.New(loop.Options{
		Store: v.store, Election: v.store, Clock: v.clock, Logger: slog.New(watchdog{v.sim}), Holder: v.name(),
		Policy: scheduler.Policy{}, Rand: rand.New(rand.NewPCG(v.rng.Uint64(), 1)),
	})
	if err != nil {
		v.sim.fail("make a loop: %w", err)
		return
	}
	v.loop = l
	v.sim.note("server %s is up", v.name())
	v.wake(upTo(v.rng, time.Second))
	v.poll()
}

// crash ends the process at once: its connections die with it.
func (v *server) crash() {
	v.sim.note("server %s crashes", v.name())
	v.sim.count("crash")
	v.alive = false
	for _, node := range sortedNames(v.streams) {
		v.streams[node].closeByServer()
	}
}

// later runs f in this life of the process, after its pause if it stands still.
func (v *server) later(d time.Duration, f func()) {
	life := v.life
	var run func()
	run = func() {
		switch {
		case !v.alive || v.life != life:
		case v.pausedUntil > v.sim.now:
			v.sim.after(v.pausedUntil-v.sim.now, run)
		default:
			f()
		}
	}
	v.sim.after(d, run)
}

// pause stands still, the connections stay.
func (v *server) pause(d time.Duration) {
	v.sim.note("server %s stands still for %s", v.name(), d)
	v.pausedUntil = max(v.pausedUntil, v.sim.now+d)
}

// faultyStore is the way of this life of the process to the store.
func (v *server) faultyStore() *memstore.Faulty {
	life, s := v.life, v.sim
	unreachable := func() error {
		if !v.alive || v.life != life || s.storeDownUntil > s.now || v.cutUntil > s.now {
			return api.Errorf(api.CodeUnavailable, "the database can't be reached")
		}
		return nil
	}
	return &memstore.Faulty{
		Store: s.store,
		Before: func(op memstore.Op) error {
			if op == memstore.OpCommit && v.inStep && !s.healed && percent(v.rng, s.plan.PauseInCommit) {
				v.standStill()
			}
			v.takeTime(op, life)
			if !s.healed && percent(v.rng, s.plan.StoreError) {
				return api.Errorf(api.CodeUnavailable, "the database can't be reached for a moment")
			}
			return unreachable()
		},
		After: func(op memstore.Op) error {
			v.takeTime(op, life)
			if !s.healed && percent(v.rng, s.plan.LostAnswer) {
				s.note("server %s loses the answer to %s", v.name(), op)
				s.count("lost answer to " + string(op))
				return api.Errorf(api.CodeUnavailable, "the answer was lost")
			}
			return nil
		},
	}
}

// standStill lets the world go on in the middle of a step, often for longer than the lease.
func (v *server) standStill() {
	d := upTo(v.rng, 15*time.Second)
	v.pause(d)
	v.stoodStill = true
	v.sim.runUntil(v.sim.now + d)
	v.sim.count("pause in a commit")
}

// slowMax is the longest that one call of a slow store takes.
const slowMax = 100 * time.Millisecond

// ofLoop says whether a call is one of the loop's; the streams' calls are not interrupted.
func ofLoop(op memstore.Op) bool {
	switch op {
	case memstore.OpLoad, memstore.OpChanges, memstore.OpCommit, memstore.OpJobs, memstore.OpTakeIDs, memstore.OpLeases:
		return true
	case memstore.OpLeader, memstore.OpTakeOver, memstore.OpRenew, memstore.OpFeed, memstore.OpNode,
		memstore.OpReport, memstore.OpRead, memstore.OpWish:
	}
	return false
}

// takeTime lets the world go on while a step waits for the store: what the step has read grows old.
func (v *server) takeTime(op memstore.Op, life int) {
	if !v.inStep || !ofLoop(op) || v.waits || v.life != life || v.sim.healed || !percent(v.rng, v.sim.plan.SlowStore) {
		return
	}
	v.waits, v.stoodStill = true, true
	if op == memstore.OpCommit { // the best moment to change one's mind
		v.sim.after(0, v.sim.users.wishAboutSome)
	}
	v.sim.runUntil(v.sim.now + upTo(v.rng, slowMax))
	if v.life == life {
		v.waits = false
	}
}

// ring is the bell; it may be lost, since the poll backs it up.
func (v *server) ring() {
	if v.ringing || !v.alive || (!v.sim.healed && percent(v.rng, v.sim.plan.LostBell)) {
		return
	}
	v.ringing = true
	v.later(upTo(v.rng, bellDelayMax), func() {
		v.ringing = false
		v.wake(0)
		v.follow()
	})
}

// wake plans the next step, unless one is planned before.
func (v *server) wake(d time.Duration) {
	at := v.sim.now + d
	if v.stepAt != 0 && v.stepAt <= at {
		return
	}
	v.stepAt = max(at, 1)
	v.stepNumber++
	number := v.stepNumber
	v.later(d, func() {
		if v.stepNumber == number && !v.inStep {
			v.step()
		}
	})
}

// step is one step of the real loop.
func (v *server) step() {
	life, termBefore := v.life, v.term()
	v.stepAt, v.inStep, v.stoodStill = 0, true, false
	wait := v.loop.Step(v.sim.ctx)
	if v.life != life || !v.alive {
		return
	}
	v.inStep, v.stepAt = false, 0
	if term := v.term(); term != termBefore {
		v.sim.note("server %s: term %d, was %d", v.name(), term, termBefore)
		if term == 0 {
			v.sim.count("stepped down")
		}
	}
	v.sim.checker.afterStep(v, wait)
	v.wake(wait + time.Millisecond + upTo(v.rng, stepCostMax))
}

// term is the one in which this server leads, or 0.
func (v *server) term() int64 {
	term, _ := v.loop.Leading()
	return term
}

// poll follows the feed from time to time and ends silent streams.
func (v *server) poll() {
	v.follow()
	for _, node := range sortedNames(v.streams) {
		if c := v.streams[node]; v.sim.now-c.heardAt > streamSilence {
			v.end(c, "silence")
		}
	}
	v.later(feedPoll, v.poll)
}

// follow brings what the feed tells to the streams of this server.
func (v *server) follow() {
	if v.cursor == (api.Cursor{}) {
		cursor, err := v.store.CurrentCursor(v.sim.ctx)
		if err != nil {
			return
		}
		v.cursor = cursor
		v.endAll("the server follows the feed anew") // what was missed before the welcomes tell
	}
	t, next, err := v.store.Next(v.sim.ctx, v.cursor)
	if errors.Is(err, api.ErrGone) {
		v.cursor = api.Cursor{}
		return
	}
	if err != nil {
		return
	}
	v.cursor = next
	v.route(t)
}

func (v *server) route(t api.Touched) {
	if len(v.streams) == 0 || len(t.Pods)+len(t.Signals) == 0 {
		return
	}
	pods, err := v.store.Assignments(v.sim.ctx, t.Pods)
	if err != nil {
		v.endAll("the pods could not be read")
		return
	}
	for _, node := range sortedNames(v.streams) {
		c := v.streams[node]
		var changed []api.PodAssignment
		var removed []api.PodKey
		for _, p := range pods {
			switch {
			case p.Node != node:
			case p.Released:
				removed = append(removed, p.Key)
			default:
				changed = append(changed, p.PodAssignment)
			}
		}
		v.answer(c, func() ([]api.ServerMessage, error) { return c.session.Changed(v.sim.ctx, changed, removed) })
		if len(t.Signals) > 0 && slices.Contains(t.Nodes, node) {
			v.answer(c, func() ([]api.ServerMessage, error) { return c.session.Signals(v.sim.ctx) })
		}
	}
}

// answer sends what the session says; an error ends the stream.
func (v *server) answer(c *conn, use func() ([]api.ServerMessage, error)) {
	if c.serverClosed {
		return
	}
	messages, err := use()
	if err != nil {
		v.end(c, err.Error())
		return
	}
	c.toAgent(messages...)
}

// accept opens the stream of a kubelet, which then is the only one of its node here.
func (v *server) accept(c *conn, hello api.KubeletHello) {
	node := c.machine.name
	if old := v.streams[node]; old != nil {
		if old.bootID != hello.Status.BootID && old.alive() {
			c.refuse(api.Errorf(api.CodeExists, "another machine is connected as node %s", node))
			return
		}
		v.end(old, "a newer stream")
	}
	c.bootID = hello.Status.BootID
	c.session = stream.New(stream.Options{Store: v.store, Node: node, Epoch: "1", Now: v.clock.Now})
	v.streams[node] = c
	welcome, err := c.session.Open(v.sim.ctx, hello)
	if err != nil {
		v.end(c, err.Error())
		return
	}
	c.toAgent(welcome)
	v.answer(c, func() ([]api.ServerMessage, error) { return c.session.Signals(v.sim.ctx) })
}

// receive takes one message of a kubelet.
func (v *server) receive(c *conn, m api.KubeletMessage) {
	c.heardAt = v.sim.now
	if c.session == nil {
		if m.Hello != nil {
			v.accept(c, *m.Hello)
		}
		return
	}
	v.answer(c, func() ([]api.ServerMessage, error) { return c.session.Receive(v.sim.ctx, m) })
}

func (v *server) end(c *conn, why string) {
	if c.serverClosed {
		return
	}
	v.sim.note("server %s ends the stream of %s: %s", v.name(), c.machine.name, why)
	if v.streams[c.machine.name] == c {
		delete(v.streams, c.machine.name)
	}
	c.closeByServer()
}

func (v *server) endAll(why string) {
	for _, node := range sortedNames(v.streams) {
		v.end(v.streams[node], why)
	}
}

// watchdog fails the run when product code logs an error: nothing that is injected may lead to one.
type watchdog struct{ sim *Sim }

var _ slog.Handler = watchdog{}

// Enabled implements slog.Handler.
func (w watchdog) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelError }

// Handle implements slog.Handler.
func (w watchdog) Handle(_ context.Context, r slog.Record) error {
	text := r.Message
	r.Attrs(func(a slog.Attr) bool { text += " " + a.String(); return true })
	w.sim.fail("logged as an error: %s", text)
	return nil
}

// WithAttrs implements slog.Handler.
func (w watchdog) WithAttrs([]slog.Attr) slog.Handler { return w }

// WithGroup implements slog.Handler.
func (w watchdog) WithGroup(string) slog.Handler { return w }
