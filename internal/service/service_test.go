package service_test

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/coxswain-hpc/coxswain/internal/backoff"
	"github.com/coxswain-hpc/coxswain/internal/clock"
	"github.com/coxswain-hpc/coxswain/internal/service"
)

var epoch = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type bundle struct {
	clock *clock.Fake
	loop  *service.Loop
	fail  chan error // each run takes its error from here when one waits
}

func deps(c clock.Clock) service.Deps {
	return service.Deps{Clock: c, Log: slog.New(slog.DiscardHandler), Rand: rand.New(rand.NewPCG(1, 1))}
}

func setup(t *testing.T, run service.RunnerFunc) *bundle {
	t.Helper()
	b := &bundle{clock: clock.NewFake(epoch), fail: make(chan error, 8)}
	if run == nil {
		run = func(context.Context, time.Time) error {
			select {
			case err := <-b.fail:
				return err
			default:
				return nil
			}
		}
	}
	retry := backoff.Policy{Min: time.Second, Max: time.Hour}
	config := service.Config{Name: "sweeper", Interval: time.Minute, Retry: retry}
	loop, err := service.New(config, run, deps(b.clock))
	require.NoError(t, err)
	loop.Ran.Init()
	b.loop = loop
	t.Cleanup(loop.Stop)
	return b
}

func TestLoopRunsAtStartByTimerAndByWake(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	require.NoError(t, b.loop.Start(t.Context()))
	first := b.loop.Ran.Wait(t)
	require.Equal(t, epoch, first.LastStart)
	require.True(t, first.Running)

	b.clock.WaitForTimers(1)
	b.clock.Advance(time.Minute)
	require.Equal(t, epoch.Add(time.Minute), b.loop.Ran.Wait(t).LastStart)

	b.clock.WaitForTimers(1)
	b.loop.Wake()
	require.EqualValues(t, 3, b.loop.Ran.Wait(t).Runs)

	b.clock.WaitForTimers(1)
	b.clock.Advance(time.Minute - 1)
	b.loop.Ran.RequireNone(t)
}

func TestWakesDuringARunBecomeOneMoreRun(t *testing.T) {
	t.Parallel()
	entered, proceed := make(chan struct{}), make(chan struct{})
	b := setup(t, func(context.Context, time.Time) error {
		entered <- struct{}{}
		<-proceed
		return nil
	})
	require.NoError(t, b.loop.Start(t.Context()))
	<-entered
	for range 100 {
		b.loop.Wake()
	}
	proceed <- struct{}{}
	<-entered
	proceed <- struct{}{}
	b.clock.WaitForTimers(1)
	require.EqualValues(t, 2, b.loop.Status().Runs)
}

func TestFailuresAreShownAndRetriedSooner(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	broken := errors.New("store is away")
	b.fail <- broken
	b.fail <- broken
	require.NoError(t, b.loop.Start(t.Context()))
	b.loop.Ran.Wait(t)

	b.clock.WaitForTimers(1)
	b.clock.Advance(time.Second)
	status := b.loop.Ran.Wait(t)
	require.ErrorIs(t, status.LastError, broken)
	require.Equal(t, 2, status.FailuresInARow)
	require.Zero(t, status.LastSuccess)

	b.clock.WaitForTimers(1)
	b.clock.Advance(2 * time.Second)
	status = b.loop.Ran.Wait(t)
	require.NoError(t, status.LastError)
	require.Zero(t, status.FailuresInARow)
	require.Equal(t, epoch.Add(3*time.Second), status.LastSuccess)
}

func TestStopCancelsAndWaits(t *testing.T) {
	t.Parallel()
	entered := make(chan struct{})
	ended := false
	b := setup(t, func(ctx context.Context, _ time.Time) error {
		close(entered)
		<-ctx.Done()
		ended = true
		return ctx.Err()
	})
	b.loop.Stop() // before Start it does nothing
	require.NoError(t, b.loop.Start(t.Context()))
	require.ErrorIs(t, b.loop.Start(t.Context()), service.ErrStarted)
	<-entered

	b.loop.Stop()
	b.loop.Stop()

	require.True(t, ended)
	status := b.loop.Status()
	require.False(t, status.Running)
	require.NoError(t, status.LastError, "being stopped is no failure")
}

func TestLoopStartsAgainAfterStopAndAfterItsContextEnded(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	require.NoError(t, b.loop.Start(ctx))
	b.loop.Ran.Wait(t)
	cancel()
	b.loop.Stop()

	require.NoError(t, b.loop.Start(t.Context()))
	require.EqualValues(t, 2, b.loop.Ran.Wait(t).Runs)
}

func TestARunHasATimeout(t *testing.T) {
	t.Parallel()
	loop, err := service.New(service.Config{Name: "stuck", Timeout: time.Millisecond},
		service.RunnerFunc(func(ctx context.Context, _ time.Time) error { <-ctx.Done(); return ctx.Err() }),
		deps(clock.NewFake(epoch)))
	require.NoError(t, err)
	loop.Ran.Init()
	t.Cleanup(loop.Stop)
	require.NoError(t, loop.Start(t.Context()))
	require.ErrorIs(t, loop.Ran.Wait(t).LastError, context.DeadlineExceeded)
}

func TestConfigIsChecked(t *testing.T) {
	t.Parallel()
	for want, config := range map[string]service.Config{
		"needs a name": {},
		"is negative":  {Name: "x", Interval: -1},
	} {
		_, err := service.New(config, nil, service.Deps{})
		require.ErrorContains(t, err, want)
	}
}

// recorded is a service that writes down what is done to it.
type recorded struct {
	name string
	log  *[]string
	err  error
}

func (r recorded) Start(context.Context) error { *r.log = append(*r.log, "+"+r.name); return r.err }
func (r recorded) Stop()                       { *r.log = append(*r.log, "-"+r.name) }

func TestGroupStartsInOrderAndStopsInReverse(t *testing.T) {
	t.Parallel()
	var log []string
	g := service.Group{recorded{"a", &log, nil}, recorded{"b", &log, nil}}
	require.NoError(t, g.Start(t.Context()))
	g.Stop()
	require.Equal(t, []string{"+a", "+b", "-b", "-a"}, log)
}

func TestGroupThatCannotStartLeavesNothingRunning(t *testing.T) {
	t.Parallel()
	var log []string
	broken := errors.New("port taken")
	g := service.Group{recorded{"a", &log, nil}, recorded{"b", &log, broken}, recorded{"c", &log, nil}}
	require.ErrorIs(t, g.Start(t.Context()), broken)
	require.Equal(t, []string{"+a", "+b", "-a"}, log)
}
