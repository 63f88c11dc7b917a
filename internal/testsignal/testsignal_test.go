package testsignal_test

import (
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/coxswain-hpc/coxswain/internal/testsignal"
)

// recorder stands in for a test that fails.
type recorder struct{ failures []string }

func (*recorder) Helper() {}

func (r *recorder) Fatalf(format string, args ...any) {
	r.failures = append(r.failures, fmt.Sprintf(format, args...))
}

func TestZeroSignalDropsValues(t *testing.T) {
	t.Parallel()
	var s testsignal.Signal[int]
	s.Send(1)
	s.RequireNone(t)

	var r recorder
	s.Wait(&r)
	require.Equal(t, []string{"testsignal: Wait before Init"}, r.failures)
}

func TestValuesArriveInOrder(t *testing.T) {
	t.Parallel()
	var s testsignal.Signal[int]
	s.Init()
	go func() { s.Send(1); s.Send(2) }()
	require.Equal(t, 1, s.Wait(t))
	require.Equal(t, 2, s.Wait(t))
	s.RequireNone(t)

	s.Send(3)
	var r recorder
	s.RequireNone(&r)
	require.Equal(t, []string{"testsignal: unexpected 3"}, r.failures)
}

func TestWaitGivesUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var s testsignal.Signal[int]
		s.Init()
		var r recorder
		s.Wait(&r)
		require.Equal(t, []string{"testsignal: no int within 30s"}, r.failures)
	})
}

func TestUnreadValuesAreBounded(t *testing.T) {
	t.Parallel()
	var s testsignal.Signal[int]
	s.Init()
	require.Panics(t, func() {
		for i := range 10_000 {
			s.Send(i)
		}
	})
}
