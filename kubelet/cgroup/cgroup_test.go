package cgroup_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coxswain-hpc/coxswain/kubelet/cgroup"
	"github.com/coxswain-hpc/coxswain/kubelet/cgroup/cgrouptest"
)

var roots atomic.Int64

// detect makes a driver in a root of its own under mount, and demands that nothing is left.
func detect(t *testing.T, mount string, mode cgroup.Mode) cgroup.Driver {
	t.Helper()
	require.Zero(t, os.Geteuid(), "these tests need root and writable cgroups; run them as root")
	root := fmt.Sprintf("cox-test-%d-%d", os.Getpid(), roots.Add(1))
	d, err := cgroup.Detect(cgroup.Config{Mount: mount, Root: root, Node: "n1"})
	require.NoError(t, err)
	require.Equal(t, mode, d.Info().Mode)
	t.Cleanup(func() {
		left, err := filepath.Glob(filepath.Join(mount, "*", root))
		require.NoError(t, err)
		require.Empty(t, left)
		require.NoDirExists(t, filepath.Join(mount, root))
	})
	return d
}

// needHybrid fails where the machine has another layout: the tests below name its mounts.
func needHybrid(t *testing.T) {
	t.Helper()
	require.DirExists(t, "/sys/fs/cgroup/unified", "this test needs a hybrid cgroup layout")
}

// v1Mount shows the machine's v1 hierarchies without the tracker.
func v1Mount(t *testing.T) string {
	t.Helper()
	needHybrid(t)
	mount := t.TempDir()
	for _, controller := range []string{"cpu", "cpuacct", "cpuset", "memory", "pids", "freezer"} {
		target := filepath.Join("/sys/fs/cgroup", controller)
		require.NoError(t, os.Symlink(target, filepath.Join(mount, controller)))
	}
	return mount
}

func TestHybrid(t *testing.T) {
	needHybrid(t)
	factory := func(t *testing.T) cgroup.Driver {
		t.Helper()
		return detect(t, cgroup.DefaultMount, cgroup.ModeHybrid)
	}
	cgrouptest.Run(t, factory)
	cgrouptest.RunProcesses(t, factory)
	d := factory(t)
	require.Empty(t, d.Info().Conditions)
	require.Equal(t, []string{"cpu", "cpuset", "memory", "pids"}, d.Info().Controllers)
	require.NoError(t, d.Prune())
}

func TestV1(t *testing.T) {
	mount := v1Mount(t)
	factory := func(t *testing.T) cgroup.Driver {
		t.Helper()
		return detect(t, mount, cgroup.ModeV1)
	}
	cgrouptest.Run(t, factory)
	cgrouptest.RunProcesses(t, factory)
}

// TestV2TrackerOnly is a cgroup2 tree without our controllers, which the machine has.
func TestV2TrackerOnly(t *testing.T) {
	needHybrid(t)
	factory := func(t *testing.T) cgroup.Driver {
		t.Helper()
		return detect(t, "/sys/fs/cgroup/unified", cgroup.ModeV2)
	}
	cgrouptest.Run(t, factory)
	cgrouptest.RunProcesses(t, factory)
	d := factory(t)
	limits := map[cgroup.Limit]bool{}
	for _, c := range d.Info().Conditions {
		limits[c.Limit] = true
		require.NotEmpty(t, c.Reason)
	}
	require.True(t, limits[cgroup.LimitMemory] && limits[cgroup.LimitPids] && limits[cgroup.LimitCPUQuota])
	require.False(t, limits[cgroup.LimitKill], "the tree still decides membership")
	require.NoError(t, d.Prune())
}

func TestFake(t *testing.T) {
	t.Parallel()
	cgrouptest.Run(t, func(*testing.T) cgroup.Driver {
		return cgroup.NewFake(cgroup.Info{Mode: cgroup.ModeV2})
	})
}

func TestFakeGroup(t *testing.T) {
	t.Parallel()
	f := cgroup.NewFake(cgroup.Info{})
	pod := cgroup.Pod{Class: "a", ID: "x"}
	require.NoError(t, f.Create(pod, cgroup.Limits{PidsMax: 3}))
	require.True(t, f.Group(pod, func(g *cgroup.FakeGroup) { g.Members = 2 }))
	require.ErrorIs(t, f.Remove(t.Context(), pod), cgroup.ErrBusy)
	require.NoError(t, f.Kill(t.Context(), pod))
	require.NoError(t, f.Remove(t.Context(), pod))
	require.False(t, f.Group(pod, func(*cgroup.FakeGroup) {}))
}

func TestFailing(t *testing.T) {
	t.Parallel()
	boom := errors.New("boom")
	f := cgroup.Failing{Err: boom}
	pod := cgroup.Pod{Class: "a", ID: "x"}
	require.ErrorIs(t, f.Create(pod, cgroup.Limits{}), boom)
	require.ErrorIs(t, f.Kill(t.Context(), pod), boom)
	require.ErrorIs(t, f.Remove(t.Context(), pod), boom)
	_, err := f.List()
	require.ErrorIs(t, err, boom)
}

// TestNone is a machine without cgroups: pods run, and every limit is named as not enforced.
func TestNone(t *testing.T) {
	t.Parallel()
	mount := t.TempDir()
	d, err := cgroup.Detect(cgroup.Config{Mount: mount, Node: "n1"})
	require.NoError(t, err)
	require.Equal(t, cgroup.ModeNone, d.Info().Mode)
	require.Len(t, d.Info().Conditions, 7)
	for _, c := range d.Info().Conditions {
		require.Contains(t, c.Reason, mount)
	}
	pod := cgroup.Pod{Class: "a", ID: "x"}
	require.NoError(t, d.Create(pod, cgroup.Limits{MemoryBytes: 1}))
	group, err := d.Leaf(pod, "main")
	require.NoError(t, err)
	require.False(t, group.Tracks())
	require.NoError(t, d.Kill(t.Context(), pod))
	require.NoError(t, d.Remove(t.Context(), pod))
}

// TestLimitsV1 reads back what the kernel took.
func TestLimitsV1(t *testing.T) {
	needHybrid(t)
	d := detect(t, cgroup.DefaultMount, cgroup.ModeHybrid)
	pod := cgroup.Pod{Class: "guaranteed", ID: "limits", Attempt: 2}
	require.NoError(t, d.Create(pod, cgroup.Limits{
		CPUMillis: 1500, CPUWeight: 200, CPUSet: "1", MemoryBytes: 128 << 20, PidsMax: 77,
	}))
	group, err := d.Leaf(pod, "main")
	require.NoError(t, err)
	below := strings.TrimPrefix(group.MemoryV1, "/sys/fs/cgroup/memory/")
	for file, want := range map[string]string{
		"cpu/%s/cpu.cfs_quota_us":         "150000",
		"cpu/%s/cpu.shares":               "2048",
		"cpuset/%s/cpuset.cpus":           "1",
		"cpuset/%s/main/cpuset.cpus":      "1",
		"cpuset/%s/main/cpuset.mems":      "0",
		"memory/%s/memory.limit_in_bytes": "134217728",
		"pids/%s/pids.max":                "77",
	} {
		data, err := os.ReadFile(filepath.Join("/sys/fs/cgroup", fmt.Sprintf(file, below)))
		require.NoError(t, err)
		require.Equal(t, want, strings.TrimSpace(string(data)), file)
	}
	require.Len(t, group.Tasks, 4)
	require.NoError(t, d.Remove(t.Context(), pod))

	err = d.Create(pod, cgroup.Limits{CPUSet: "999"})
	require.ErrorContains(t, err, "cpuset.cpus")
	pods, err := d.List()
	require.NoError(t, err)
	require.Empty(t, pods, "a failed create leaves nothing")
	require.NoError(t, d.Prune())
}
