// Package clock is where time enters the program. Shells (services, agents, loops) take a
// Clock; pure cores take `now` as an argument and never see one. Only this package and the main
// programs under cli may call time.Now and its relatives.
//
// Words: the wall time (Now) is what people read, and it may jump in either direction. The boot
// time (Boot) only ever rises, counts while the machine is suspended, and starts again at a
// reboot: every deadline, lease and timeout is a difference of two boot times, never of two wall
// times. A timer fires after a duration of running time; whoever waits for a boot time checks
// Boot again when the timer fires.
package clock

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// Clock tells the time and waits. Implementations are safe for concurrent use.
type Clock interface {
	// Now is the wall time in UTC, without a monotonic reading, so that equal instants are equal values.
	Now() time.Time
	// Boot is the elapsed time since boot, suspension included (CLOCK_BOOTTIME).
	Boot() time.Duration
	// NewTimer returns a timer that sends once on its C after d; d of zero or less fires at once.
	NewTimer(d time.Duration) *Timer
}

// Timer is one pending wake-up of a Clock. After Stop or Reset returns, C holds no stale value.
type Timer struct {
	C     <-chan time.Time
	stop  func() bool
	reset func(time.Duration) bool
}

// Stop prevents the timer from firing; it reports whether the timer was still pending.
func (t *Timer) Stop() bool { return t.stop() }

// Reset makes the timer fire d from now; it reports whether the timer was still pending.
func (t *Timer) Reset(d time.Duration) bool { return t.reset(d) }

// Real is the machine's clock.
type Real struct{}

var _ Clock = Real{}

// Now implements Clock.
func (Real) Now() time.Time { return time.Now().Round(0).UTC() }

// Boot implements Clock.
func (Real) Boot() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		// Every kernel since 2.6.39 has this clock, and no deadline is safe without it.
		panic(fmt.Sprintf("read CLOCK_BOOTTIME: %v", err))
	}
	return time.Duration(ts.Nano())
}

// NewTimer implements Clock.
func (Real) NewTimer(d time.Duration) *Timer {
	t := time.NewTimer(d)
	return &Timer{C: t.C, stop: t.Stop, reset: t.Reset}
}

// After returns a channel that receives once after d. The timer behind it can't be stopped: use
// NewTimer where the wait is usually cut short.
func After(c Clock, d time.Duration) <-chan time.Time { return c.NewTimer(d).C }

// Sleep waits for d or for the end of ctx, whose error it returns.
func Sleep(ctx context.Context, c Clock, d time.Duration) error {
	t := c.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("sleep %s: %w", d, context.Cause(ctx))
	}
}
