package process_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coxswain-hpc/coxswain/internal/clock"
	"github.com/coxswain-hpc/coxswain/kubelet/cgroup"
	"github.com/coxswain-hpc/coxswain/kubelet/runtime"
	"github.com/coxswain-hpc/coxswain/kubelet/runtime/process"
	"github.com/coxswain-hpc/coxswain/kubelet/runtime/runtimetest"
	"github.com/coxswain-hpc/coxswain/kubelet/shim"
	"github.com/coxswain-hpc/coxswain/kubelet/shim/shimapi"
)

const (
	patience = 30 * time.Second
	tick     = 5 * time.Millisecond
)

var shimBinary string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "cox-process-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	shimBinary = filepath.Join(dir, "cox-shim")
	build := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", shimBinary, "../../shim/cox-shim")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build cox-shim: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// harness is a control group root of its own and the pods in it.
type harness struct {
	t      *testing.T
	driver cgroup.Driver
	dir    string
	pods   int
}

var roots atomic.Int64

func newHarness(t *testing.T) *harness {
	t.Helper()
	root := fmt.Sprintf("coxproc-%d-%d", os.Getpid(), roots.Add(1))
	driver, err := cgroup.Detect(cgroup.Config{Root: root, Node: "n"})
	require.NoError(t, err)
	h := &harness{t: t, driver: driver, dir: t.TempDir()}
	t.Cleanup(func() { h.clean(root) })
	return h
}

func (h *harness) clean(root string) {
	groups, err := h.driver.List()
	require.NoError(h.t, err)
	for _, g := range groups {
		require.NoError(h.t, h.driver.Kill(context.Background(), g))
		require.NoError(h.t, h.driver.Remove(context.Background(), g))
	}
	require.Eventually(h.t, func() bool { // the last shims end a moment after their pods
		require.NoError(h.t, h.driver.Prune())
		left, err := filepath.Glob(filepath.Join(cgroup.DefaultMount, "*", root))
		require.NoError(h.t, err)
		return len(left) == 0
	}, patience, tick)
}

func (h *harness) Runtime() runtime.Runtime {
	group, err := h.driver.Shims()
	require.NoError(h.t, err)
	starter, err := shim.NewStarter(shimBinary, group)
	require.NoError(h.t, err)
	r := process.New(starter, h.driver, clock.Real{})
	h.t.Cleanup(r.Close)
	return r
}

// scripts are the behaviours; the running ones make a file when their handlers are set.
var scripts = map[runtimetest.Behaviour]string{
	runtimetest.ExitsWith3:  "exit 3",
	runtimetest.RunsOn:      "touch ready; exec sleep 600",
	runtimetest.IgnoresTERM: "trap '' TERM; touch ready; while :; do sleep 600; done",
	runtimetest.CannotStart: "true",
}

func (h *harness) Pod(does runtimetest.Behaviour) (runtime.Pod, shimapi.Spec) {
	h.pods++
	name := strconv.Itoa(h.pods)
	pod := runtime.Pod{Dir: filepath.Join(h.dir, name), Group: cgroup.Pod{Class: "burstable", ID: name}}
	pod.Key.Owner = 1
	require.NoError(h.t, os.Mkdir(pod.Dir, 0o700))
	work := filepath.Join(h.dir, "work-"+name)
	require.NoError(h.t, os.Mkdir(work, 0o700))
	require.NoError(h.t, h.driver.Create(pod.Group, cgroup.Limits{}))
	leaf, err := h.driver.Leaf(pod.Group, "main")
	require.NoError(h.t, err)
	spec := shimapi.Spec{
		Pod: name, Argv: []string{"/bin/sh", "-c", scripts[does]}, Env: []string{"PATH=/usr/bin:/bin"},
		Dir: work, Cgroup: leaf,
	}
	if does == runtimetest.CannotStart {
		spec.Dir = "/nowhere"
	}
	return pod, spec
}

func (h *harness) Ready(pod runtime.Pod) {
	path := filepath.Join(h.dir, "work-"+filepath.Base(pod.Dir), "ready")
	require.Eventually(h.t, func() bool {
		_, err := os.Stat(path)
		return err == nil
	}, patience, tick)
}

func (h *harness) Pass(time.Duration) {} // it does so by itself

func (h *harness) Lose(pod runtime.Pod) {
	state, err := shim.ReadState(pod.Dir)
	require.NoError(h.t, err)
	p, err := os.FindProcess(state.Shim.PID)
	require.NoError(h.t, err)
	require.NoError(h.t, p.Kill())
	require.Eventually(h.t, func() bool {
		alive, err := shim.Alive(pod.Dir)
		return err == nil && !alive
	}, patience, tick)
}

func TestSuite(t *testing.T) {
	t.Parallel()
	require.Zero(t, os.Geteuid(), "run the node's tests as root")
	runtimetest.Run(t, func(t *testing.T) runtimetest.Harness {
		t.Helper()
		return newHarness(t)
	})
}

// TestForgetEndsAShimThatCannotWriteItsRecord: the disk is full, the end is known from the pipe.
func TestForgetEndsAShimThatCannotWriteItsRecord(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	r := h.Runtime()
	pod, spec := h.Pod(runtimetest.RunsOn)
	_, err := r.Start(t.Context(), pod, spec)
	require.NoError(t, err)
	// A directory in the way of the record fails each try, as a full disk does.
	require.NoError(t, os.MkdirAll(filepath.Join(pod.Dir, shimapi.ExitFile, "x"), 0o700))
	require.NoError(t, r.Stop(t.Context(), pod, "cancelled", 0))
	record, err := r.Wait(t.Context(), pod)
	require.NoError(t, err)
	require.EqualValues(t, "cancelled", record.Reason)
	alive, err := shim.Alive(pod.Dir)
	require.NoError(t, err)
	require.True(t, alive, "it tries on")
	r.Forget(t.Context(), pod)
	require.Eventually(t, func() bool {
		alive, err := shim.Alive(pod.Dir)
		return err == nil && !alive
	}, patience, tick)
}

func requireGone(t *testing.T, h *harness, pod runtime.Pod) {
	t.Helper()
	alive, err := shim.Alive(pod.Dir)
	require.NoError(t, err)
	require.False(t, alive)
	now, cancel := context.WithCancel(t.Context())
	cancel()
	require.NoError(t, h.driver.WaitEmpty(now, pod.Group))
}

// TestKillEndsAStartThatHangs: the input is a FIFO to which nobody writes.
func TestKillEndsAStartThatHangs(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	r := h.Runtime()
	pod, spec := h.Pod(runtimetest.RunsOn)
	spec.Stdin.Path = filepath.Join(spec.Dir, "fifo")
	require.NoError(t, syscall.Mkfifo(spec.Stdin.Path, 0o600))
	starting, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	_, err := r.Start(starting, pod, spec)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	require.NoError(t, r.Kill(ctx, pod))
	requireGone(t, h, pod)
}

// TestAStoppedShimIsAdoptedAndKilled: a kubelet comes back while somebody keeps the shim stopped.
func TestAStoppedShimIsAdoptedAndKilled(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	first := h.Runtime()
	pod, spec := h.Pod(runtimetest.RunsOn)
	started, err := first.Start(t.Context(), pod, spec)
	require.NoError(t, err)
	require.NoError(t, syscall.Kill(started.Shim.PID, syscall.SIGSTOP))
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	second := h.Runtime()
	adopted, err := second.Adopt(ctx, pod)
	require.NoError(t, err)
	require.Equal(t, started.StartedBoottimeNS, adopted.StartedBoottimeNS)
	require.NoError(t, second.Kill(ctx, pod))
	_, err = second.Wait(ctx, pod)
	require.ErrorIs(t, err, runtime.ErrLost)
	requireGone(t, h, pod)
}
