package shim_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coxswain-hpc/coxswain/kubelet/cgroup"
	"github.com/coxswain-hpc/coxswain/kubelet/shim"
	"github.com/coxswain-hpc/coxswain/kubelet/shim/shimapi"
)

// shimBinary is built once from source: tests run the program that ships.
var shimBinary string

// waitMax bounds every wait of these tests; it is far above what a loaded machine needs.
const waitMax = 30 * time.Second

// poll is the pause between two looks at something that has no event.
const poll = 5 * time.Millisecond

const nobody = 65534

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	if helper := os.Getenv("COX_SHIM_TEST_HELPER"); helper != "" {
		return runHelper(helper)
	}
	dir, err := os.MkdirTemp("", "cox-shim-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if err := os.Chmod(dir, 0o755); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	shimBinary = filepath.Join(dir, "cox-shim")
	build := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", shimBinary, "./cox-shim")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build cox-shim: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// node is a driver in a root of its own, a starter, and the pods that a test made.
type node struct {
	driver  cgroup.Driver
	starter *shim.Starter
	dir     string
	next    atomic.Int64
	shims   shimapi.Cgroup
}

// worldReadableDir is a directory that any user may enter, which t.TempDir is not.
func worldReadableDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "cox-shim-node-") //nolint:usetesting // see above
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	require.NoError(t, os.Chmod(dir, 0o755))
	return dir
}

// newNode needs root: that is how the product runs.
func newNode(t testing.TB) *node {
	t.Helper()
	return newNodeAt(t, cgroup.DefaultMount)
}

func newNodeAt(t testing.TB, mount string) *node {
	t.Helper()
	require.Zero(t, os.Geteuid(), "these tests need root and writable cgroups; run them as root")
	root := fmt.Sprintf("cox-test-%d-%d", os.Getpid(), time.Now().UnixNano())
	driver, err := cgroup.Detect(cgroup.Config{Mount: mount, Root: root, Node: "n1"})
	require.NoError(t, err)
	require.NotEqual(t, cgroup.ModeNone, driver.Info().Mode)
	shims, err := driver.Shims()
	require.NoError(t, err)
	starter, err := shim.NewStarter(shimBinary, shims)
	require.NoError(t, err)
	n := &node{driver: driver, starter: starter, shims: shims, dir: worldReadableDir(t)}
	t.Cleanup(func() { n.cleanUp(t) })
	return n
}

// cleanUp kills what a failed test left, then demands that nothing of ours remains.
func (n *node) cleanUp(t testing.TB) {
	t.Helper()
	n.starter.Close()
	ctx, cancel := context.WithTimeout(context.Background(), waitMax)
	defer cancel()
	pods, err := n.driver.List()
	require.NoError(t, err)
	for _, pod := range pods {
		require.NoError(t, n.driver.Kill(ctx, pod))
		require.NoError(t, n.driver.Remove(ctx, pod))
	}
	require.Eventually(t, func() bool {
		require.NoError(t, n.driver.Prune())
		files := n.shims.Tasks
		if n.shims.TrackerLeaf != "" {
			files = append(files, filepath.Join(n.shims.TrackerLeaf, "cgroup.procs"))
		}
		for _, file := range files {
			if _, err := os.Stat(filepath.Dir(file)); err == nil {
				return false
			}
		}
		return true
	}, waitMax, 5*time.Millisecond, "shims outlive their pods")
}

// pod is one started pod.
type pod struct {
	name   cgroup.Pod
	dir    string
	client *shim.Client
}

// spec is a shell script as nobody in a directory of his.
func (n *node) spec(t testing.TB, script string) shimapi.Spec {
	t.Helper()
	work := filepath.Join(n.dir, "work")
	require.NoError(t, os.MkdirAll(work, 0o755))
	require.NoError(t, os.Chown(work, nobody, nobody))
	return shimapi.Spec{
		Pod:   "test",
		Argv:  []string{"/bin/bash", "-c", script},
		Env:   []string{"PATH=/usr/bin:/bin"},
		Dir:   work,
		User:  &shimapi.User{UID: nobody, GID: nobody},
		Umask: 0o022,
	}
}

func (n *node) start(t testing.TB, spec shimapi.Spec, limits cgroup.Limits) *pod {
	t.Helper()
	p, err := n.tryStart(spec, limits)
	require.NoError(t, err)
	return p
}

func (n *node) tryStart(spec shimapi.Spec, limits cgroup.Limits) (*pod, error) {
	return n.tryStartWith(spec, limits, func(*shimapi.Spec) {})
}

// tryStartWith gives change the last word on the spec.
func (n *node) tryStartWith(spec shimapi.Spec, limits cgroup.Limits, change func(*shimapi.Spec)) (*pod, error) {
	id := strconv.FormatInt(n.next.Add(1), 10)
	p := &pod{name: cgroup.Pod{Class: "guaranteed", ID: id}, dir: filepath.Join(n.dir, "pod-"+id)}
	if err := os.Mkdir(p.dir, 0o700); err != nil {
		return nil, err
	}
	if err := n.driver.Create(p.name, limits); err != nil {
		return nil, err
	}
	group, err := n.driver.Leaf(p.name, "main")
	if err != nil {
		return nil, err
	}
	spec.Cgroup, spec.MemoryBytes = group, limits.MemoryBytes
	change(&spec)
	p.client, err = n.starter.Start(context.Background(), p.dir, spec)
	return p, err
}

func (p *pod) wait(t testing.TB) shimapi.ExitRecord {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), waitMax)
	defer cancel()
	record, err := p.client.Wait(ctx)
	require.NoError(t, err)
	return record
}

// remove demands that the group is empty already: the shim killed everything before its record.
func (n *node) remove(t testing.TB, p *pod) {
	t.Helper()
	require.NoError(t, n.driver.Remove(context.Background(), p.name))
}
