package clock_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coxswain-hpc/coxswain/internal/clock"
)

var epoch = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func TestFakeFiresInOrder(t *testing.T) {
	t.Parallel()
	c := clock.NewFake(epoch)
	late, early := c.NewTimer(3*time.Second), c.NewTimer(time.Second)
	boot := c.Boot()

	c.Advance(2 * time.Second)

	require.Equal(t, epoch.Add(time.Second), <-early.C, "a timer sees its own time, not the end of the step")
	require.Empty(t, late.C)
	require.Equal(t, epoch.Add(2*time.Second), c.Now())
	require.Equal(t, boot+2*time.Second, c.Boot())

	c.Advance(time.Second)
	require.Equal(t, epoch.Add(3*time.Second), <-late.C)
}

func TestFakeTimerStopAndReset(t *testing.T) {
	t.Parallel()
	c := clock.NewFake(epoch)
	timer := c.NewTimer(time.Second)
	require.True(t, timer.Stop())
	require.False(t, timer.Stop())

	c.Advance(time.Minute)
	require.Empty(t, timer.C)

	require.False(t, timer.Reset(time.Second))
	c.Advance(time.Second)
	require.False(t, timer.Reset(time.Second), "it had fired")
	require.Empty(t, timer.C, "a stale value survives neither Stop nor Reset")

	c.Advance(time.Second)
	require.Len(t, timer.C, 1)
}

func TestFakeJumpMovesTheWallAlone(t *testing.T) {
	t.Parallel()
	c := clock.NewFake(epoch)
	timer, boot := c.NewTimer(time.Second), c.Boot()

	c.Jump(-time.Hour)

	require.Equal(t, epoch.Add(-time.Hour), c.Now())
	require.Equal(t, boot, c.Boot())
	require.Empty(t, timer.C)
}

func TestZeroTimerFiresAtOnce(t *testing.T) {
	t.Parallel()
	for _, c := range []clock.Clock{clock.Real{}, clock.NewFake(epoch)} {
		<-clock.After(c, 0)
	}
}

func TestSleep(t *testing.T) {
	t.Parallel()
	c := clock.NewFake(epoch)
	done := make(chan error)
	go func() { done <- clock.Sleep(t.Context(), c, time.Second) }()
	c.WaitForTimers(1)
	c.Advance(time.Second)
	require.NoError(t, <-done)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, clock.Sleep(ctx, c, time.Second), context.Canceled)
}

func TestReal(t *testing.T) {
	t.Parallel()
	var c clock.Real
	boot := c.Boot()
	require.Positive(t, boot)
	require.NoError(t, clock.Sleep(t.Context(), c, time.Millisecond))
	require.GreaterOrEqual(t, c.Boot()-boot, time.Millisecond)
	require.Equal(t, time.UTC, c.Now().Location())
}
