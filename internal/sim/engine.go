package sim

import (
	"container/heap"
	"fmt"
	"hash"
	"hash/fnv"
	"time"

	"github.com/coxswain-hpc/coxswain/internal/clock"
)

// engine is the queue of events.
type engine struct {
	now    time.Duration // since the start of the run
	seq    uint64
	queue  events
	ran    int
	err    error
	after1 func() // runs after every event
}

type event struct {
	at  time.Duration
	seq uint64
	run func()
}

type events []event //nolint:recvcheck // as container/heap wants it

func (e events) Len() int { return len(e) }
func (e events) Less(i, j int) bool {
	return e[i].at < e[j].at || (e[i].at == e[j].at && e[i].seq < e[j].seq)
}
func (e events) Swap(i, j int) { e[i], e[j] = e[j], e[i] }

// Push implements heap.Interface.
func (e *events) Push(x any) { *e = append(*e, x.(event)) } //nolint:forcetypeassert // ours alone

// Pop implements heap.Interface.
func (e *events) Pop() any {
	last := len(*e) - 1
	out := (*e)[last]
	(*e)[last] = event{}
	*e = (*e)[:last]
	return out
}

// after plans an event.
func (e *engine) after(d time.Duration, run func()) {
	e.seq++
	heap.Push(&e.queue, event{at: e.now + max(d, 0), seq: e.seq, run: run})
}

// runUntil runs all events up to a moment, or to the first failure. It may be called by an event: then
// the rest of that event happens later, as when a process stands still in the middle of its work.
func (e *engine) runUntil(at time.Duration) {
	for e.err == nil && len(e.queue) > 0 && e.queue[0].at <= at {
		next, ok := heap.Pop(&e.queue).(event)
		if !ok {
			return
		}
		e.now = max(e.now, next.at)
		e.ran++
		next.run()
		e.after1()
	}
	e.now = max(e.now, at)
}

// noon is when every run begins.
var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC) //nolint:gochecknoglobals // a constant

// bootBase keeps boot times away from zero, which means "never" to some.
const bootBase = time.Hour

// simClock is the clock of one machine. Its wall time may be wrong by skew.
type simClock struct {
	engine *engine
	skew   time.Duration
}

var _ clock.Clock = simClock{}

// Now implements clock.Clock.
func (c simClock) Now() time.Time { return noon.Add(c.engine.now + c.skew) }

// Boot implements clock.Clock.
func (c simClock) Boot() time.Duration { return bootBase + c.engine.now }

// NewTimer implements clock.Clock. Nothing that runs here may wait.
func (c simClock) NewTimer(time.Duration) *clock.Timer { panic("sim: a timer in a step") }

// traceKept is how many of the last lines a failure shows.
const traceKept = 400

// trace keeps the last lines and a hash of all.
type trace struct {
	ring  []string
	count int
	hash  hash.Hash64
	tell  func(line string)
}

func (t *trace) init(tell func(line string)) { t.hash, t.tell = fnv.New64a(), tell }

func (t *trace) add(at time.Duration, line string) {
	full := fmt.Sprintf("%12.6f %s", at.Seconds(), line)
	_, _ = t.hash.Write([]byte(full)) // a hash takes all
	if t.tell != nil {
		t.tell(full)
	}
	if len(t.ring) < traceKept {
		t.ring = append(t.ring, full)
	} else {
		t.ring[t.count%traceKept] = full
	}
	t.count++
}

func (t *trace) lines() []string {
	if t.count <= traceKept {
		return t.ring
	}
	at := t.count % traceKept
	return append(append([]string{}, t.ring[at:]...), t.ring[:at]...)
}
