// Package runtimetest is the suite that every runtime passes: the contract of runtime.Runtime as
// tests. An implementation gives it a Harness; the pods are described by what they do, so that a
// runtime of real processes and one without any run the same cases.
package runtimetest

import (
	"context"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coxswain-hpc/coxswain/kubelet/runtime"
	"github.com/coxswain-hpc/coxswain/kubelet/shim/shimapi"
)

// patience bounds each wait; it is far above what a loaded machine needs.
const patience = 30 * time.Second

// Behaviour is what a pod does.
type Behaviour string

// The behaviours.
const (
	ExitsWith3  Behaviour = "exits with code 3 at once"
	RunsOn      Behaviour = "runs until a signal ends it"
	IgnoresTERM Behaviour = "runs and ignores TERM"
	CannotStart Behaviour = "has a working directory that does not exist"
)

// Harness makes one machine for one test.
type Harness interface {
	// Runtime gives a new runtime on the same machine, as after a restart of the kubelet.
	Runtime() runtime.Runtime
	// Pod makes a name and a spec for a pod that behaves so; change may alter the spec.
	Pod(does Behaviour) (runtime.Pod, shimapi.Spec)
	// Ready waits until a running pod behaves as it should (its signal handlers are set).
	Ready(pod runtime.Pod)
	// Pass lets time pass.
	Pass(d time.Duration)
	// Lose kills whatever watches over the pod, and nothing else.
	Lose(pod runtime.Pod)
}

// Run runs the suite.
func Run(t *testing.T, setup func(t *testing.T) Harness) {
	for name, f := range map[string]func(*testing.T, Harness){
		"exit":          testExit,
		"start fails":   testStartFails,
		"stop":          testStop,
		"stop twice":    testFirstReasonStays,
		"grace":         testGrace,
		"time limit":    testTimeLimit,
		"signal":        testSignal,
		"too late":      testTooLate,
		"adopt":         testAdopt,
		"adopt ended":   testAdoptEnded,
		"never started": testNeverStarted,
		"lost":          testLost,
		"kill":          testKill,
		"wait ends":     testWaitEndsWithItsContext,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f(t, setup(t))
		})
	}
}

func bound(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

func start(t *testing.T, h Harness, r runtime.Runtime, does Behaviour, change ...func(*shimapi.Spec)) runtime.Pod {
	t.Helper()
	pod, spec := h.Pod(does)
	for _, f := range change {
		f(&spec)
	}
	state, err := r.Start(bound(t), pod, spec)
	require.NoError(t, err)
	require.NotZero(t, state.StartedUnixNS)
	require.NotZero(t, state.StartedBoottimeNS)
	if does != ExitsWith3 {
		h.Ready(pod)
	}
	return pod
}

func wait(t *testing.T, r runtime.Runtime, pod runtime.Pod) shimapi.ExitRecord {
	t.Helper()
	record, err := r.Wait(bound(t), pod)
	require.NoError(t, err)
	return record
}

func testExit(t *testing.T, h Harness) {
	r := h.Runtime()
	pod := start(t, h, r, ExitsWith3)
	for range 2 { // Wait may be called again
		record := wait(t, r, pod)
		require.Equal(t, shimapi.ReasonExited, record.Reason)
		require.Equal(t, 3, record.ExitCode)
		require.NotZero(t, record.StartedUnixNS)
		require.GreaterOrEqual(t, record.EndedBoottimeNS, record.StartedBoottimeNS)
	}
}

func testStartFails(t *testing.T, h Harness) {
	r := h.Runtime()
	pod, spec := h.Pod(CannotStart)
	state, err := r.Start(bound(t), pod, spec)
	require.NoError(t, err, "a failed start is a record, not an error")
	require.Zero(t, state.StartedUnixNS)
	record := wait(t, r, pod)
	require.Equal(t, shimapi.ReasonStartFailed, record.Reason)
	require.Equal(t, shimapi.StepWorkdir, record.Start.Step)
	require.True(t, record.Start.User)
}

func testStop(t *testing.T, h Harness) {
	r := h.Runtime()
	pod := start(t, h, r, RunsOn)
	require.NoError(t, r.Stop(bound(t), pod, "cancelled", time.Minute))
	record := wait(t, r, pod)
	require.EqualValues(t, "cancelled", record.Reason)
	require.Equal(t, int(syscall.SIGTERM), record.Signal)
}

func testFirstReasonStays(t *testing.T, h Harness) {
	r := h.Runtime()
	pod := start(t, h, r, IgnoresTERM)
	require.NoError(t, r.Stop(bound(t), pod, "preempted", time.Hour))
	require.NoError(t, r.Stop(bound(t), pod, "cancelled", 0), "a later stop shortens the grace")
	record := wait(t, r, pod)
	require.EqualValues(t, "preempted", record.Reason)
}

func testGrace(t *testing.T, h Harness) {
	r := h.Runtime()
	pod := start(t, h, r, IgnoresTERM)
	const grace = 200 * time.Millisecond
	require.NoError(t, r.Stop(bound(t), pod, "cancelled", grace))
	h.Pass(grace)
	record := wait(t, r, pod)
	require.Equal(t, int(syscall.SIGKILL), record.Signal)
	require.GreaterOrEqual(t, time.Duration(record.EndedBoottimeNS-record.StartedBoottimeNS), grace)
}

func testTimeLimit(t *testing.T, h Harness) {
	r := h.Runtime()
	own := start(t, h, r, RunsOn, func(s *shimapi.Spec) { s.TimeLimitMS = 100 })
	h.Pass(100 * time.Millisecond)
	require.Equal(t, shimapi.ReasonTimeout, wait(t, r, own).Reason)

	later := start(t, h, r, RunsOn, func(s *shimapi.Spec) { s.TimeLimitMS = time.Hour.Milliseconds() })
	require.NoError(t, r.SetTimeLimit(bound(t), later, time.Millisecond))
	h.Pass(time.Millisecond)
	require.Equal(t, shimapi.ReasonTimeout, wait(t, r, later).Reason)
}

func testSignal(t *testing.T, h Harness) {
	r := h.Runtime()
	pod := start(t, h, r, RunsOn)
	require.NoError(t, r.Signal(bound(t), pod, syscall.SIGKILL, shimapi.TargetAll))
	record := wait(t, r, pod)
	require.Equal(t, shimapi.ReasonSignaled, record.Reason)
	require.Equal(t, int(syscall.SIGKILL), record.Signal)
}

func testTooLate(t *testing.T, h Harness) {
	r := h.Runtime()
	pod := start(t, h, r, ExitsWith3)
	wait(t, r, pod)
	require.ErrorIs(t, r.Stop(bound(t), pod, "cancelled", 0), runtime.ErrEnded)
	require.ErrorIs(t, r.Signal(bound(t), pod, syscall.SIGTERM, shimapi.TargetAll), runtime.ErrEnded)
	require.ErrorIs(t, r.SetTimeLimit(bound(t), pod, time.Hour), runtime.ErrEnded)
	require.NoError(t, r.Kill(bound(t), pod))
	require.Equal(t, 3, wait(t, r, pod).ExitCode, "the record stands")
	r.Forget(bound(t), pod)
}

func testAdopt(t *testing.T, h Harness) {
	first := h.Runtime()
	pod := start(t, h, first, RunsOn)
	first.Close()
	second := h.Runtime()
	state, err := second.Adopt(bound(t), pod)
	require.NoError(t, err)
	require.NotZero(t, state.StartedUnixNS)
	require.NoError(t, second.Stop(bound(t), pod, "cancelled", time.Minute))
	require.EqualValues(t, "cancelled", wait(t, second, pod).Reason)
}

func testAdoptEnded(t *testing.T, h Harness) {
	first := h.Runtime()
	pod := start(t, h, first, ExitsWith3)
	wait(t, first, pod)
	first.Close()
	second := h.Runtime()
	_, err := second.Adopt(bound(t), pod)
	require.NoError(t, err)
	require.Equal(t, 3, wait(t, second, pod).ExitCode)
}

func testNeverStarted(t *testing.T, h Harness) {
	pod, _ := h.Pod(RunsOn)
	r := h.Runtime()
	_, err := r.Adopt(bound(t), pod)
	require.ErrorIs(t, err, runtime.ErrNeverStarted)
	require.NoError(t, r.Kill(bound(t), pod))
}

func testLost(t *testing.T, h Harness) {
	first := h.Runtime()
	here, away := start(t, h, first, RunsOn), start(t, h, first, RunsOn)
	h.Lose(here)
	_, err := first.Wait(bound(t), here)
	require.ErrorIs(t, err, runtime.ErrLost)
	first.Close()

	h.Lose(away)
	second := h.Runtime()
	_, err = second.Adopt(bound(t), away)
	require.ErrorIs(t, err, runtime.ErrLost)
	require.NoError(t, second.Kill(bound(t), away))
}

func testKill(t *testing.T, h Harness) {
	first := h.Runtime()
	pod := start(t, h, first, IgnoresTERM)
	other := start(t, h, first, IgnoresTERM)
	require.NoError(t, first.Kill(bound(t), pod))
	wait(t, first, pod)
	first.Close()
	second := h.Runtime()
	require.NoError(t, second.Kill(bound(t), other), "also one that this runtime has never seen")
}

func testWaitEndsWithItsContext(t *testing.T, h Harness) {
	r := h.Runtime()
	pod := start(t, h, r, RunsOn)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := r.Wait(ctx, pod)
	require.ErrorIs(t, err, context.Canceled, "%v", err)
	require.NoError(t, r.Kill(bound(t), pod))
}
