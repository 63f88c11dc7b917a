package kubelet

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/kubelet/shim/shimapi"
)

func TestEndOf(t *testing.T) {
	t.Parallel()
	cancel := &api.PodStop{State: api.PodCancelled, Reason: api.ReasonDependencyNever}
	requeue := &api.PodStop{State: api.PodPreempted, Reason: api.ReasonRequeued}
	for _, c := range []struct {
		name    string
		rec     shimapi.ExitRecord
		stop    *api.PodStop
		state   api.PodState
		reason  api.Reason
		code    int
		message string
	}{
		{name: "ok", rec: shimapi.ExitRecord{Reason: shimapi.ReasonExited}, state: api.PodCompleted},
		{
			name: "code", rec: shimapi.ExitRecord{Reason: shimapi.ReasonExited, ExitCode: 3},
			state: api.PodFailed, reason: api.ReasonExitCode, code: 3, message: "ended with exit code 3",
		},
		{
			name: "signal", rec: shimapi.ExitRecord{Reason: shimapi.ReasonSignaled, Signal: 9},
			state: api.PodFailed, reason: api.ReasonSignal, code: 137, message: "killed by signal 9 (SIGKILL)",
		},
		{
			name: "limit, though the script caught the signal",
			rec:  shimapi.ExitRecord{Reason: shimapi.ReasonTimeout}, state: api.PodTimeout,
			reason: api.ReasonTimeLimit, message: "stopped at its time limit",
		},
		{
			name: "memory", rec: shimapi.ExitRecord{
				Reason: shimapi.ReasonOutOfMemory, Signal: 9, MemoryBytes: 512 << 20,
				Usage: shimapi.Usage{MemoryPeak: 512<<20 - 4096},
			},
			state: api.PodOutOfMemory, reason: api.ReasonOutOfMemory, code: 137, message: "killed at 512 of 512 MiB",
		},
		{
			name: "memory of the node", rec: shimapi.ExitRecord{
				Reason: shimapi.ReasonOutOfMemory, Signal: 9, Usage: shimapi.Usage{MemoryPeak: 3 << 20},
			},
			state: api.PodOutOfMemory, reason: api.ReasonOutOfMemory, code: 137,
			message: "killed at 3 MiB: the node ran out of memory",
		},
		{
			name: "lease", rec: shimapi.ExitRecord{Reason: shimapi.ReasonLeaseExpired},
			state: api.PodNodeFailed, reason: api.ReasonLease,
			message: "stopped itself: the node could not renew its lease",
		},
		{
			name: "client gone", rec: shimapi.ExitRecord{Reason: shimapi.ReasonDetached, Signal: 15},
			state: api.PodCancelled, reason: api.ReasonCancelled, code: 143,
			message: "stopped: the attached client went away",
		},
		{
			name: "cancelled", rec: shimapi.ExitRecord{Reason: "cancelled", Signal: 15}, stop: cancel,
			state: api.PodCancelled, reason: api.ReasonDependencyNever, code: 143, message: "cancelled",
		},
		{
			name: "cancelled, told by an earlier kubelet", rec: shimapi.ExitRecord{Reason: "cancelled"},
			state: api.PodCancelled, reason: api.ReasonCancelled, message: "cancelled",
		},
		{
			name: "requeued", rec: shimapi.ExitRecord{Reason: "preempted"}, stop: requeue,
			state: api.PodPreempted, reason: api.ReasonRequeued,
			message: "stopped for another job or a requeue",
		},
		{
			name: "ended by itself before the stop arrived",
			rec:  shimapi.ExitRecord{Reason: shimapi.ReasonExited}, stop: cancel, state: api.PodCompleted,
		},
		{
			name: "the user's error", rec: shimapi.ExitRecord{
				Reason: shimapi.ReasonStartFailed,
				Start:  &shimapi.StartError{Step: shimapi.StepWorkdir, User: true, Message: "m"},
			},
			state: api.PodFailed, reason: api.ReasonWorkingDir, message: "m",
		},
		{
			name: "the node's error", rec: shimapi.ExitRecord{
				Reason: shimapi.ReasonStartFailed, Start: &shimapi.StartError{Step: shimapi.StepStdout, Message: "m"},
			},
			state: api.PodStartFailed, reason: api.ReasonNode, message: "m",
		},
		{
			name: "a start without a word", rec: shimapi.ExitRecord{Reason: shimapi.ReasonStartFailed},
			state: api.PodStartFailed, reason: api.ReasonNode, message: "the start failed on the node",
		},
		{
			name: "a reason of a newer shim", rec: shimapi.ExitRecord{Reason: "struck_by_lightning"},
			state: api.PodFailed, message: "ended: struck_by_lightning",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := endOf(api.PodKey{}, c.rec, c.stop)
			require.Equal(t, c.state, got.State)
			require.Equal(t, c.reason, got.Exit.Reason)
			require.Equal(t, c.code, got.Exit.Code)
			require.Equal(t, c.message, got.Exit.Message)
			require.True(t, api.PodBound.CanStep(got.State), "the store's table has this step")
			require.Nil(t, got.StartedAt)
		})
	}
}

func TestUsage(t *testing.T) {
	t.Parallel()
	started := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	rec := shimapi.ExitRecord{
		Reason: shimapi.ReasonExited, StartedUnixNS: started.UnixNano(),
		EndedUnixNS:       started.Add(-time.Hour).UnixNano(),
		StartedBoottimeNS: 100e9, EndedBoottimeNS: 102.5e9,
		Usage: shimapi.Usage{
			CPUNS: 3e9, CPUUserNS: 2e9, CPUSystemNS: 1e9, RSSPeakBytes: 10, MaxProcessRSS: 12, MemoryPeak: 99,
		},
	}
	got := endOf(api.PodKey{}, rec, nil)
	require.Equal(t, api.Usage{
		CPUSeconds: 3, CPUUserSeconds: 2, CPUSystemSeconds: 1, PeakMemoryBytes: 12, ElapsedSeconds: 2.5,
	}, got.Exit.Usage, "the wall clock jumped back, the elapsed time did not")
	require.Equal(t, started, *got.StartedAt)

	rec.Usage = shimapi.Usage{}
	require.Equal(t, []string{"peak_memory_bytes", "cpu_seconds"}, endOf(api.PodKey{}, rec, nil).Exit.Usage.Missing)
}

func TestAPrivateDirectoryAboveTheSpoolIsNoticed(t *testing.T) {
	t.Parallel()
	require.NoError(t, reachable("/usr/bin"))
	require.ErrorContains(t, reachable(t.TempDir()), "chmod o+x")
}
