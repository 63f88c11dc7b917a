// Package testsignal lets a test wait for something that happens deep inside a service, in place
// of a sleep. The service holds a Signal by value and calls Send at the interesting place: that
// costs nothing until a test calls Init. It must not be used for anything but tests.
package testsignal

import (
	"fmt"
	"time"

	"github.com/coxswain-hpc/coxswain/internal/clock"
)

// capacity bounds what a test leaves unread. More than this is a test that forgot to read.
const capacity = 1024

// timeout is how long Wait is patient: far longer than any honest wait on a busy machine.
const timeout = 30 * time.Second

// TB is the part of testing.TB that is needed; production code does not import testing.
type TB interface {
	Helper()
	Fatalf(format string, args ...any)
}

// Signal carries values from a service to its test. The zero value drops them all.
type Signal[T any] struct{ c chan T }

// Init arms the signal. Call it before the service starts.
func (s *Signal[T]) Init() { s.c = make(chan T, capacity) }

// Send passes a value to the test, if there is one.
func (s *Signal[T]) Send(value T) {
	if s.c == nil {
		return
	}
	select {
	case s.c <- value:
	default:
		panic(fmt.Sprintf("testsignal: %d values of %T unread; the test must read the signals that it arms",
			capacity, value))
	}
}

// Wait returns the next value, in the order of sending, and fails the test when none comes.
func (s *Signal[T]) Wait(tb TB) T {
	tb.Helper()
	var zero T
	if s.c == nil {
		tb.Fatalf("testsignal: Wait before Init")
		return zero
	}
	timer := clock.Real{}.NewTimer(timeout)
	defer timer.Stop()
	select {
	case value := <-s.c:
		return value
	case <-timer.C:
		tb.Fatalf("testsignal: no %T within %s", zero, timeout)
		return zero
	}
}

// RequireNone fails the test when a value was sent that nobody has read.
func (s *Signal[T]) RequireNone(tb TB) {
	tb.Helper()
	select {
	case value := <-s.c:
		tb.Fatalf("testsignal: unexpected %v", value)
	default:
	}
}
