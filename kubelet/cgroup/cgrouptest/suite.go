// Package cgrouptest is the suite that every cgroup.Driver passes: the contract of the interface as
// tests. Drivers over real groups also pass RunProcesses.
package cgrouptest

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/coxswain-hpc/coxswain/kubelet/cgroup"
	"github.com/coxswain-hpc/coxswain/kubelet/shim/shimapi"
)

const (
	waitMax = 30 * time.Second
	poll    = 2 * time.Millisecond
)

// Run tests the contract that needs no process. The factory gives an empty driver.
func Run(t *testing.T, factory func(t *testing.T) cgroup.Driver) {
	t.Helper()
	t.Run("life of a group", func(t *testing.T) { life(t, factory(t)) })
	t.Run("names are checked", func(t *testing.T) { names(t, factory(t)) })
	t.Run("what is missing", func(t *testing.T) { missing(t, factory(t)) })
}

func life(t *testing.T, d cgroup.Driver) {
	t.Helper()
	ctx := t.Context()
	limits := cgroup.Limits{CPUMillis: 500, CPUWeight: 50, MemoryBytes: 64 << 20, PidsMax: 100}
	a := cgroup.Pod{Class: "guaranteed", ID: "42-7", Attempt: 0}
	b := cgroup.Pod{Class: "besteffort", ID: "x", Attempt: 3}
	require.NoError(t, d.Create(a, limits))
	require.ErrorIs(t, d.Create(a, limits), cgroup.ErrExists)
	require.NoError(t, d.Create(b, cgroup.Limits{}))
	pods, err := d.List()
	require.NoError(t, err)
	require.Equal(t, []cgroup.Pod{b, a}, pods, "sorted by class, id, attempt")

	for _, leaf := range []string{"main", "step-0", "exec-12", "main"} {
		_, err := d.Leaf(a, leaf)
		require.NoError(t, err, "leaf %s, also a second time", leaf)
	}
	_, err = d.Usage(a)
	require.NoError(t, err)
	require.NoError(t, d.WaitEmpty(ctx, a))
	require.NoError(t, d.Kill(ctx, a))
	for _, pod := range []cgroup.Pod{a, b} {
		require.NoError(t, d.Remove(ctx, pod))
		require.NoError(t, d.Remove(ctx, pod), "a second time")
	}
	pods, err = d.List()
	require.NoError(t, err)
	require.Empty(t, pods)
	require.NoError(t, d.Prune())
	require.NoError(t, d.Create(a, limits), "after everything was pruned")
	require.NoError(t, d.Remove(ctx, a))
	require.NoError(t, d.Prune())
}

func names(t *testing.T, d cgroup.Driver) {
	t.Helper()
	for _, pod := range []cgroup.Pod{
		{},
		{Class: "a"},
		{Class: "..", ID: "x"},
		{Class: "a", ID: "../x"},
		{Class: "a", ID: "x/y"},
		{Class: "shims", ID: "x"},
		{Class: "a", ID: "x", Attempt: -1},
		{Class: "a", ID: ".."},
	} {
		require.ErrorIs(t, d.Create(pod, cgroup.Limits{}), cgroup.ErrInvalidName, "%+v", pod)
		require.ErrorIs(t, d.Remove(t.Context(), pod), cgroup.ErrInvalidName, "%+v", pod)
		require.ErrorIs(t, d.Kill(t.Context(), pod), cgroup.ErrInvalidName, "%+v", pod)
	}
	pod := cgroup.Pod{Class: "a", ID: "x"}
	require.NoError(t, d.Create(pod, cgroup.Limits{}))
	for _, leaf := range []string{"", "..", "step", "step-", "step-x", "main/x", "other"} {
		_, err := d.Leaf(pod, leaf)
		require.ErrorIs(t, err, cgroup.ErrInvalidName, leaf)
	}
	require.NoError(t, d.Remove(t.Context(), pod))
	require.NoError(t, d.Prune())
}

func missing(t *testing.T, d cgroup.Driver) {
	t.Helper()
	pod := cgroup.Pod{Class: "a", ID: "none"}
	if d.Info().Mode != cgroup.ModeNone {
		_, err := d.Leaf(pod, "main")
		require.ErrorIs(t, err, cgroup.ErrNotFound)
		_, err = d.Usage(pod)
		require.ErrorIs(t, err, cgroup.ErrNotFound)
	}
	require.NoError(t, d.Kill(t.Context(), pod))
	require.NoError(t, d.WaitEmpty(t.Context(), pod))
	require.NoError(t, d.Remove(t.Context(), pod))
	require.NoError(t, d.Prune())
}

// RunProcesses tests membership with real processes.
func RunProcesses(t *testing.T, factory func(t *testing.T) cgroup.Driver) {
	t.Helper()
	t.Run("nothing escapes a kill", func(t *testing.T) { kill(t, factory(t)) })
	t.Run("a busy group stays", func(t *testing.T) { busy(t, factory(t)) })
	t.Run("usage", func(t *testing.T) { usage(t, factory(t)) })
	t.Run("the first pods come together", func(t *testing.T) { together(t, factory(t)) })
}

// Start runs a shell script in a leaf. On v1 the shell waits until it has been moved.
func Start(t *testing.T, group shimapi.Cgroup, script string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("/bin/bash", "-c", "read go; "+script)
	input, err := cmd.StdinPipe()
	require.NoError(t, err)
	if group.TrackerLeaf != "" {
		leaf, err := os.Open(group.TrackerLeaf)
		require.NoError(t, err)
		defer func() { require.NoError(t, leaf.Close()) }()
		cmd.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(leaf.Fd())}
	}
	require.NoError(t, cmd.Start())
	for _, tasks := range group.Tasks {
		procs := filepath.Join(filepath.Dir(tasks), "cgroup.procs")
		require.NoError(t, os.WriteFile(procs, []byte(strconv.Itoa(cmd.Process.Pid)), 0o600))
	}
	_, err = input.Write([]byte("go\n"))
	require.NoError(t, err)
	require.NoError(t, input.Close())
	return cmd
}

func newPod(t *testing.T, d cgroup.Driver) (cgroup.Pod, shimapi.Cgroup) {
	t.Helper()
	pod := cgroup.Pod{Class: "burstable", ID: "p"}
	require.NoError(t, d.Create(pod, cgroup.Limits{MemoryBytes: 256 << 20, PidsMax: 200}))
	group, err := d.Leaf(pod, "main")
	require.NoError(t, err)
	return pod, group
}

func kill(t *testing.T, d cgroup.Driver) {
	t.Helper()
	pod, group := newPod(t, d)
	ctx, cancel := context.WithTimeout(t.Context(), waitMax)
	defer cancel()
	pidFile := filepath.Join(t.TempDir(), "pids")
	cmd := Start(t, group, `trap "" TERM HUP
		setsid bash -c 'echo $$ >> `+pidFile+`; exec sleep 1000' &
		(setsid bash -c '(echo $BASHPID >> `+pidFile+`; exec sleep 1000) & disown' &)
		while :; do /bin/true; done`)
	var pids []int
	require.Eventually(t, func() bool {
		data, err := os.ReadFile(pidFile)
		pids = parsePids(string(data))
		return err == nil && len(pids) == 2
	}, waitMax, poll)
	require.NoError(t, d.Kill(ctx, pod))
	require.Error(t, cmd.Wait())
	for _, pid := range pids {
		require.Eventually(t, func() bool { return dead(pid) }, waitMax, poll)
	}
	require.NoError(t, d.Remove(ctx, pod))
	require.NoError(t, d.Prune())
}

func parsePids(text string) []int {
	var pids []int
	for word := range splitWords(text) {
		if pid, err := strconv.Atoi(word); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

// dead is also true of a zombie: its reaper, outside this test, may be slow.
func dead(pid int) bool {
	data, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err != nil || zombie(string(data))
}

func busy(t *testing.T, d cgroup.Driver) {
	t.Helper()
	pod, group := newPod(t, d)
	cmd := Start(t, group, "exec sleep 1000")
	short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, d.WaitEmpty(short, pod), context.DeadlineExceeded)
	require.ErrorIs(t, d.Remove(short, pod), cgroup.ErrBusy)
	require.NoError(t, cmd.Process.Signal(unix.SIGKILL))
	require.Error(t, cmd.Wait())
	require.NoError(t, d.WaitEmpty(t.Context(), pod))
	require.NoError(t, d.Remove(t.Context(), pod))
	require.NoError(t, d.Prune())
}

func usage(t *testing.T, d cgroup.Driver) {
	t.Helper()
	pod, group := newPod(t, d)
	cmd := Start(t, group, "for i in {1..200000}; do :; done; exec sleep 1000")
	var u shimapi.Usage
	require.Eventually(t, func() bool {
		var err error
		u, err = d.Usage(pod)
		require.NoError(t, err)
		return u.CPUNS > int64(50*time.Millisecond)
	}, waitMax, poll, "CPU time is counted")
	require.InDelta(t, u.CPUNS, u.CPUUserNS+u.CPUSystemNS, float64(50*time.Millisecond))
	require.Positive(t, u.Pids)
	if group.MemoryV1 != "" || group.MemoryV2 != "" {
		require.Positive(t, u.MemoryBytes)
		require.GreaterOrEqual(t, u.MemoryPeak, u.MemoryBytes/2)
	}
	require.NoError(t, d.Kill(t.Context(), pod))
	require.Error(t, cmd.Wait())
	require.NoError(t, d.Remove(t.Context(), pod))
	require.NoError(t, d.Prune())
}

// together starts the first pods of a class at the same time: each finds the levels above half made.
func together(t *testing.T, d cgroup.Driver) {
	t.Helper()
	const rounds, pods = 30, 4
	limits := cgroup.Limits{CPUMillis: 1000, MemoryBytes: 64 << 20, PidsMax: 10, CPUSet: "0"}
	for range rounds {
		var work errgroup.Group
		for i := range pods {
			work.Go(func() error { return d.Create(cgroup.Pod{Class: "guaranteed", ID: strconv.Itoa(i)}, limits) })
		}
		require.NoError(t, work.Wait())
		for i := range pods {
			pod := cgroup.Pod{Class: "guaranteed", ID: strconv.Itoa(i)}
			group, err := d.Leaf(pod, "main")
			require.NoError(t, err)
			require.NoError(t, Start(t, group, "true").Wait())
			require.NoError(t, d.WaitEmpty(t.Context(), pod))
			require.NoError(t, d.Remove(t.Context(), pod))
		}
		require.NoError(t, d.Prune())
	}
}
