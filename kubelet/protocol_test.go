package kubelet_test

import (
	"context"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coxswain-hpc/coxswain/api"
)

func TestTheNodeSaysWhatItHas(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	b.renewSeconds = 1
	b.opts.Capacity = api.Resources{CPUMillis: 1000, MemoryBytes: 1 << 30}
	b.start()
	b.wait("renewals", func() bool { return b.renewals >= 2 })
	b.mu.Lock()
	defer b.mu.Unlock()
	status := b.statuses[0]
	require.Equal(t, b.opts.Capacity, status.Inventory.Allocatable)
	require.Len(t, status.Inventory.Topology, 1)
	require.Greater(t, status.Inventory.Capacity.MemoryBytes, int64(1<<30))
	require.NotEmpty(t, status.BootID)
	require.NotEmpty(t, status.Inventory.CgroupMode)
}

func TestUnacknowledgedEndsAreSaidAgainAfterALostStream(t *testing.T) {
	t.Parallel()
	b := start(t)
	b.mu.Lock()
	b.mute = true
	b.mu.Unlock()
	one, two := b.script("exit 4\n"), b.script("exit 5\n")
	b.wait("some report", func() bool { return len(b.reports) > 0 })
	b.cut()
	b.mu.Lock()
	b.mute = false
	b.mu.Unlock()
	require.Equal(t, 4, b.waitEnd(one).Exit.Code)
	require.Equal(t, 5, b.waitEnd(two).Exit.Code)
	require.NotNil(t, b.waitEnd(two).StartedAt)
	b.release(one)
	b.release(two)
	b.requireNothingLeft()
}

func TestARepeatedAssignmentDoesNotStartAgain(t *testing.T) {
	t.Parallel()
	b := start(t)
	key := b.script("echo once\n")
	for range 20 {
		b.alter(key, func(*api.PodAssignment) {})
	}
	b.waitEnd(key)
	b.alter(key, func(a *api.PodAssignment) { a.State = api.PodBound }) // late and out of order
	other := b.script("true\n")
	b.waitEnd(other)
	require.Equal(t, "once\n", b.output(key))
}

func TestPodsRunOnWhileTheServerIsAway(t *testing.T) {
	t.Parallel()
	b := start(t)
	key := b.script("while [ ! -e go ]; do sleep 0.01; done; echo done\n")
	b.waitState(key, api.PodRunning)
	b.cut()
	require.NoError(t, os.WriteFile(filepath.Join(b.workDir, "go"), nil, 0o644))
	require.Equal(t, api.PodCompleted, b.waitEnd(key).State)
	require.Equal(t, "done\n", b.output(key))
}

func TestAReleasedPodIsKilled(t *testing.T) {
	t.Parallel()
	b := start(t)
	key := b.script("sleep 600 & sleep 600\n")
	b.waitState(key, api.PodRunning)
	b.release(key)
	b.requireNothingLeft()
}

func TestAStaleAttemptIsKilled(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	b.stale[api.PodKey{Instance: api.Instance{Owner: 1, Index: api.NoIndex}, Attempt: 1}] = true
	b.start()
	key := b.script("sleep 600\n")
	b.waitState(key, api.PodRunning)
	b.requireNothingLeft()
}

func TestAPodOfAnotherEpochIsOfferedAndRunsOn(t *testing.T) {
	t.Parallel()
	b := start(t)
	key := b.script("while [ ! -e go ]; do sleep 0.01; done\n")
	refused := b.script("sleep 600\n")
	b.waitState(key, api.PodRunning)
	b.waitState(refused, api.PodRunning)

	b.mu.Lock()
	b.epoch = "e2"
	adopted := b.pods[key]
	b.pods = map[api.PodKey]api.PodAssignment{} // restored from a backup before these pods
	b.reports = map[api.PodKey][]api.PodReport{}
	b.stale[refused] = true
	b.mu.Unlock()
	b.cut()
	b.waitState(key, api.PodRunning)
	b.waitState(refused, api.PodRunning)

	b.mu.Lock()
	b.pods[key] = adopted
	b.mu.Unlock()
	b.alter(key, func(a *api.PodAssignment) { a.State = api.PodRunning })
	require.NoError(t, os.WriteFile(filepath.Join(b.workDir, "go"), nil, 0o644))
	require.Equal(t, api.PodCompleted, b.waitEnd(key).State)
	b.release(key)
	b.requireNothingLeft()
}

func TestAMissingTemplateIsFetched(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	key := b.script("echo fetched\n") // before the kubelet: the welcome has the pod, not the template
	b.start()
	require.Equal(t, api.PodCompleted, b.waitEnd(key).State)
	require.Equal(t, "fetched\n", b.output(key))
}

// flakyNames is a name service that is down for the first questions.
type flakyNames struct{ failures atomic.Int64 }

func (f *flakyNames) ByUID(context.Context, int64) (api.Identity, error) {
	if f.failures.Add(-1) >= 0 {
		return api.Identity{}, api.Errorf(api.CodeUnavailable, "the name service is down")
	}
	return api.Identity{User: "nobody", UID: nobody, GID: nobody, Home: "/", Shell: "/bin/sh"}, nil
}

func TestANameServiceThatIsDownDelaysAStart(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	names := &flakyNames{}
	names.failures.Store(1)
	b.opts.Names = names
	b.start()
	key := b.script("true\n")
	b.wait("the condition", func() bool {
		for _, s := range b.statuses {
			for _, c := range s.Conditions {
				if c.Type == "name_service_unavailable" {
					return true
				}
			}
		}
		return false
	})
	require.Equal(t, api.PodCompleted, b.waitEnd(key).State)
	b.release(key)
	b.requireNothingLeft()
}

func TestAStopBeforeTheStart(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	key := b.script("echo never\n", func(a *api.PodAssignment, _ *api.KubeletTemplate) {
		a.Stop = &api.PodStop{State: api.PodCancelled, Reason: api.ReasonCancelled}
	})
	b.start()
	end := b.waitEnd(key)
	require.Equal(t, api.PodCancelled, end.State)
	require.Nil(t, end.StartedAt)
	require.NoFileExists(t, filepath.Join(b.workDir, "slurm-1.out"))
	b.release(key)
	b.requireNothingLeft()
}
