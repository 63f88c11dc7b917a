package kubelet_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/kubelet"
	"github.com/coxswain-hpc/coxswain/kubelet/cgroup"
)

const (
	nobody = 65534
	tick   = 5 * time.Millisecond
)

// bundle is one test's kubelet with its server, in a control group root of its own.
type bundle struct {
	*server
	opts    kubelet.Options
	workDir string // owned by the pods' user
	stop    func()
	nextID  int64
}

var rootCounter atomic.Int64

func newBundle(t testing.TB) *bundle {
	t.Helper()
	require.Zero(t, os.Geteuid(), "run the node's tests as root")
	dir, err := os.MkdirTemp("", "cox-node-") //nolint:usetesting // t.TempDir lets nobody else in
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	require.NoError(t, os.Chmod(dir, 0o755))
	work := filepath.Join(dir, "work")
	require.NoError(t, os.Mkdir(work, 0o755))
	require.NoError(t, os.Chown(work, nobody, nobody))
	root := fmt.Sprintf("coxtest-%d-%d", os.Getpid(), rootCounter.Add(1))
	b := &bundle{server: newServer(t), workDir: work}
	level := slog.LevelError
	if testing.Verbose() {
		level = slog.LevelDebug
	}
	b.opts = kubelet.Options{
		Node: "n1", StateDir: filepath.Join(dir, "state"), CgroupRoot: root, Shim: shimBinary,
		Dialer: socketDialer{b.path},
		Logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level})),
	}
	t.Cleanup(func() { removeGroups(t, root) })
	return b
}

// removeGroups leaves nothing behind, also after a failure.
func removeGroups(t testing.TB, root string) {
	t.Helper()
	driver, err := cgroup.Detect(cgroup.Config{Root: root, Node: "n1"})
	require.NoError(t, err)
	groups, err := driver.List()
	require.NoError(t, err)
	for _, g := range groups {
		require.NoError(t, driver.Kill(context.Background(), g))
		require.NoError(t, driver.Remove(context.Background(), g))
	}
	require.Eventually(t, func() bool { // the last shims end a moment after their pods
		require.NoError(t, driver.Prune())
		left, err := filepath.Glob(filepath.Join(cgroup.DefaultMount, "*", root))
		require.NoError(t, err)
		return len(left) == 0
	}, patience, tick, "groups below %s", root)
}

// start runs the kubelet until stop or the end of the test.
func (b *bundle) start() {
	b.t.Helper()
	k, err := kubelet.New(b.opts)
	require.NoError(b.t, err)
	ctx, cancel := context.WithCancel(b.t.Context())
	done := make(chan error, 1)
	go func() { done <- k.Run(ctx) }()
	b.stop = func() {
		cancel()
		require.NoError(b.t, <-done)
		b.stop = func() {}
	}
	b.t.Cleanup(func() { b.stop() })
	b.wait("the hello", func() bool { return b.hellos > 0 })
}

func start(t *testing.T) *bundle {
	t.Helper()
	b := newBundle(t)
	b.start()
	return b
}

// script makes a pod that runs a batch script.
func (b *bundle) script(text string, change ...func(*api.PodAssignment, *api.KubeletTemplate)) api.PodKey {
	b.nextID++
	id := api.JobID(b.nextID)
	a := api.PodAssignment{
		Key:    api.PodKey{Instance: api.Instance{Owner: id, Index: api.NoIndex}, Attempt: 1},
		TaskID: id, State: api.PodBound, Class: api.ClassBurstable, Template: id.String() + ".main.1",
		Resources: api.Resources{CPUMillis: 100, MemoryBytes: 64 << 20}, TimeLimitSeconds: 60,
	}
	container := api.Container{
		Name: "main", Main: true, WorkingDir: b.workDir, Umask: 0o022,
		Requests: a.Resources, Limits: api.Resources{CPUMillis: 1000, MemoryBytes: 64 << 20},
	}
	template := api.KubeletTemplate{
		Hash: a.Template, Job: id, Cluster: "test",
		Spec: api.JobSpec{
			Name: "job", Owner: api.Identity{User: "nobody", UID: nobody, GID: nobody}, GraceSeconds: 1,
			Roles: []api.Role{
				{Name: "main", Count: 1, Template: api.PodTemplate{Containers: []api.Container{container}}},
			},
		},
		Payload: api.Payload{Script: []byte("#!/bin/sh\n" + text), Environment: []string{"PATH=/usr/bin:/bin"}},
	}
	for _, f := range change {
		f(&a, &template)
	}
	b.place(a, template)
	return a.Key
}

func main(t *api.KubeletTemplate) *api.Container { return &t.Spec.Roles[0].Template.Containers[0] }

// output reads a pod's output file.
func (b *bundle) output(key api.PodKey) string {
	b.t.Helper()
	data, err := os.ReadFile(filepath.Join(b.workDir, fmt.Sprintf("slurm-%d.out", key.Owner)))
	require.NoError(b.t, err)
	return string(data)
}

// requireNothingLeft waits until the node has no trace of its pods.
func (b *bundle) requireNothingLeft() {
	b.t.Helper()
	require.Eventually(b.t, func() bool { return len(b.traces()) == 0 }, patience, tick, "left: %s", lazy(b.traces))
}

// lazy is looked at when a message is made, not when the call is.
type lazy func() []string

func (l lazy) String() string { return fmt.Sprint(l()) }

// traces lists what the node has of pods.
func (b *bundle) traces() []string {
	b.t.Helper()
	var out []string
	for _, dir := range []string{"pods", "spool", "scratch"} {
		entries, err := os.ReadDir(filepath.Join(b.opts.StateDir, dir))
		require.NoError(b.t, err)
		for _, e := range entries {
			out = append(out, dir+"/"+e.Name())
		}
	}
	driver, err := cgroup.Detect(cgroup.Config{Root: b.opts.CgroupRoot, Node: b.opts.Node})
	require.NoError(b.t, err)
	groups, err := driver.List()
	require.NoError(b.t, err)
	for _, g := range groups {
		out = append(out, "group "+g.ID)
	}
	return out
}

func TestAPodRunsAndNothingIsLeft(t *testing.T) {
	t.Parallel()
	b := start(t)
	key := b.script(`echo "id $SLURM_JOB_ID on $SLURMD_NODENAME as $(id -un) in $PWD"; ` +
		`test -d "$TMPDIR"; exit 3` + "\n")
	end := b.waitEnd(key)
	require.Equal(t, api.PodFailed, end.State)
	require.Equal(t, 3, end.Exit.Code)
	require.Equal(t, api.ReasonExitCode, end.Exit.Reason)
	require.NotNil(t, end.StartedAt)
	require.Positive(t, end.Exit.Usage.CPUSeconds)
	require.Positive(t, end.Exit.Usage.PeakMemoryBytes)
	require.Empty(t, end.Exit.Usage.Missing)
	require.Equal(t, fmt.Sprintf("id 1 on n1 as nobody in %s\n", b.workDir), b.output(key))
	b.release(key)
	b.requireNothingLeft()
}

func TestEndsAreTold(t *testing.T) { //nolint:tparallel // one node, one pod at a time
	t.Parallel()
	b := start(t)
	for _, c := range []struct { //nolint:paralleltest // as above
		name   string
		script string
		change func(*api.PodAssignment, *api.KubeletTemplate)
		state  api.PodState
		reason api.Reason
		says   string
	}{
		{name: "completed", script: "true\n", state: api.PodCompleted},
		{
			name: "signal", script: "kill -SEGV $$\n", state: api.PodFailed, reason: api.ReasonSignal,
			says: "11 (SIGSEGV)",
		},
		{
			name: "time limit", script: "sleep 60\n", state: api.PodTimeout, reason: api.ReasonTimeLimit,
			change: func(a *api.PodAssignment, _ *api.KubeletTemplate) { a.TimeLimitSeconds = 1 },
		},
		{
			name: "memory", script: "x=x; while :; do x=$x$x; done\n", state: api.PodOutOfMemory,
			reason: api.ReasonOutOfMemory, says: "killed at 32 of 32 MiB",
			change: func(_ *api.PodAssignment, t *api.KubeletTemplate) { main(t).Limits.MemoryBytes = 32 << 20 },
		},
		{
			name: "working directory", state: api.PodFailed, reason: api.ReasonWorkingDir, says: "/nowhere",
			change: func(_ *api.PodAssignment, t *api.KubeletTemplate) { main(t).WorkingDir = "/nowhere" },
		},
		{
			name: "output", state: api.PodFailed, reason: api.ReasonOutput, says: "/nowhere/x-",
			change: func(_ *api.PodAssignment, t *api.KubeletTemplate) { main(t).Stdout = "/nowhere/x-%j" },
		},
		{
			name: "input", state: api.PodFailed, reason: api.ReasonInput, says: "/nowhere/in",
			change: func(_ *api.PodAssignment, t *api.KubeletTemplate) { main(t).Stdin = "/nowhere/in" },
		},
		{
			name: "command", state: api.PodFailed, reason: api.ReasonCommand, says: "no-such-program",
			change: func(_ *api.PodAssignment, t *api.KubeletTemplate) {
				t.Payload.Script, main(t).Command = nil, []string{"no-such-program"}
			},
		},
		{
			name: "neither script nor command", state: api.PodFailed, reason: api.ReasonCommand, says: "neither",
			change: func(_ *api.PodAssignment, t *api.KubeletTemplate) { t.Payload.Script = nil },
		},
		{
			name: "another name for the uid", state: api.PodRefused, reason: api.ReasonIdentity, says: "nobody",
			change: func(_ *api.PodAssignment, t *api.KubeletTemplate) { t.Spec.Owner.User = "somebody" },
		},
		{
			name: "unknown uid", state: api.PodRefused, reason: api.ReasonIdentity, says: "no user with uid",
			change: func(_ *api.PodAssignment, t *api.KubeletTemplate) { t.Spec.Owner.UID = 3_999_999 },
		},
		{
			name: "below the floor", state: api.PodRefused, reason: api.ReasonIdentity, says: "below 1000",
			change: func(_ *api.PodAssignment, t *api.KubeletTemplate) { t.Spec.Owner = api.Identity{User: "root"} },
		},
		{
			name: "too large for the node", state: api.PodRefused, reason: api.ReasonStale, says: "free",
			change: func(a *api.PodAssignment, _ *api.KubeletTemplate) { a.Resources.MemoryBytes = 1 << 50 },
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			change := c.change
			if change == nil {
				change = func(*api.PodAssignment, *api.KubeletTemplate) {}
			}
			key := b.script(c.script, change)
			end := b.waitEnd(key)
			require.Equal(t, c.state, end.State, "%+v", end.Exit)
			require.Equal(t, c.reason, end.Exit.Reason)
			require.Contains(t, end.Exit.Message, c.says)
			b.release(key)
		})
	}
	b.requireNothingLeft()
}

func TestStopSignalAndTimeLimitReachARunningPod(t *testing.T) {
	t.Parallel()
	b := start(t)
	trap := `trap 'echo usr1' USR1; trap 'echo term; exit 0' TERM; echo up; while :; do sleep 0.01; done` + "\n"
	key := b.script(trap)
	b.waitState(key, api.PodRunning)
	b.waitOutput(key, "up")
	b.push(api.ServerMessage{Signals: []api.PodSignal{{ID: 7, Key: key, Signal: "USR1", BatchOnly: true}}})
	b.wait("the signal's answer", func() bool { return len(b.signals) == 1 })
	require.Equal(t, []api.SignalResult{{ID: 7}}, b.signals)
	b.waitOutput(key, "usr1")
	b.alter(key, func(a *api.PodAssignment) {
		a.Stop = &api.PodStop{State: api.PodCancelled, Reason: api.ReasonCancelled, GraceSeconds: 20}
	})
	end := b.waitEnd(key)
	require.Equal(t, api.PodCancelled, end.State)
	require.Contains(t, b.output(key), "term")

	long := b.script("sleep 60\n")
	b.waitState(long, api.PodRunning)
	b.alter(long, func(a *api.PodAssignment) { a.TimeLimitSeconds = 1 })
	require.Equal(t, api.PodTimeout, b.waitEnd(long).State)
}

// waitOutput waits until the output file has a word.
func (b *bundle) waitOutput(key api.PodKey, word string) {
	b.t.Helper()
	path := filepath.Join(b.workDir, fmt.Sprintf("slurm-%d.out", key.Owner))
	require.Eventually(b.t, func() bool {
		data, err := os.ReadFile(path)
		return err == nil && strings.Contains(string(data), word)
	}, patience, 5*time.Millisecond, "%q in the output", word)
}
