package clock

import (
	"sync"
	"time"
)

// Fake is a clock that stands still until a test moves it.
type Fake struct {
	mu      sync.Mutex
	changed *sync.Cond // a timer was armed, stopped or fired
	wall    time.Time
	boot    time.Duration
	seq     uint64
	pending []*fakeTimer
}

type fakeTimer struct {
	at  time.Duration // boot time at which it fires
	seq uint64        // order of arming: equal times fire in this order
	c   chan time.Time
}

var _ Clock = (*Fake)(nil)

// NewFake returns a clock that shows wall; its boot time starts at one hour, so that code which
// takes zero for "never" is caught.
func NewFake(wall time.Time) *Fake {
	f := &Fake{wall: wall.Round(0).UTC(), boot: time.Hour}
	f.changed = sync.NewCond(&f.mu)
	return f
}

// Now implements Clock.
func (f *Fake) Now() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.wall
}

// Boot implements Clock.
func (f *Fake) Boot() time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.boot
}

// NewTimer implements Clock.
func (f *Fake) NewTimer(d time.Duration) *Timer {
	t := &fakeTimer{c: make(chan time.Time, 1)}
	f.arm(t, d)
	return &Timer{
		C:     t.c,
		stop:  func() bool { return f.disarm(t) },
		reset: func(d time.Duration) bool { was := f.disarm(t); f.arm(t, d); return was },
	}
}

// Advance moves both clocks on by d, firing the timers that fall due in the order of their times,
// each with the clock showing its own time.
func (f *Fake) Advance(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for end := f.boot + d; ; {
		t := f.earliest()
		if t == nil || t.at > end {
			f.moveTo(end)
			return
		}
		f.moveTo(max(t.at, f.boot))
		f.remove(t)
		t.c <- f.wall
	}
}

// Jump moves the wall clock alone, as an administrator or NTP does: no timer may care.
func (f *Fake) Jump(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.wall = f.wall.Add(d)
}

// WaitForTimers blocks until at least n timers are pending: the code under test has come to rest
// and Advance will be seen.
func (f *Fake) WaitForTimers(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for len(f.pending) < n {
		f.changed.Wait()
	}
}

func (f *Fake) arm(t *fakeTimer, d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if d <= 0 {
		t.c <- f.wall
		return
	}
	f.seq++
	t.at, t.seq = f.boot+d, f.seq
	f.pending = append(f.pending, t)
	f.changed.Broadcast()
}

func (f *Fake) disarm(t *fakeTimer) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	select {
	case <-t.c: // fired and not read: as with time.Timer, the stale value goes
	default:
	}
	return f.remove(t)
}

func (f *Fake) remove(t *fakeTimer) bool {
	for i, p := range f.pending {
		if p == t {
			f.pending = append(f.pending[:i], f.pending[i+1:]...)
			f.changed.Broadcast()
			return true
		}
	}
	return false
}

func (f *Fake) earliest() *fakeTimer {
	var first *fakeTimer
	for _, t := range f.pending {
		if first == nil || t.at < first.at || (t.at == first.at && t.seq < first.seq) {
			first = t
		}
	}
	return first
}

func (f *Fake) moveTo(boot time.Duration) {
	f.wall = f.wall.Add(boot - f.boot)
	f.boot = boot
}
