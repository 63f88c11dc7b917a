package shim_test

import (
	"bufio"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/coxswain-hpc/coxswain/kubelet/cgroup"
	"github.com/coxswain-hpc/coxswain/kubelet/shim"
	"github.com/coxswain-hpc/coxswain/kubelet/shim/shimapi"
)

// kubeletOrder is what the helper "kubelet" starts.
type kubeletOrder struct {
	Binary, Dir string
	Shims       shimapi.Cgroup
	Spec        shimapi.Spec
}

// startByKubelet has another process start the pod, so that a test can kill or stop that process.
func startByKubelet(t *testing.T, n *node, spec shimapi.Spec) (dir string, name cgroup.Pod, kubelet *exec.Cmd) {
	t.Helper()
	name = cgroup.Pod{Class: "guaranteed", ID: "by-kubelet"}
	require.NoError(t, n.driver.Create(name, fullLimits))
	var err error
	spec.Cgroup, err = n.driver.Leaf(name, "main")
	require.NoError(t, err)
	dir = n.dir + "/by-kubelet"
	require.NoError(t, os.Mkdir(dir, 0o700))

	self, err := os.Executable()
	require.NoError(t, err)
	kubelet = exec.Command(self)
	kubelet.Env = append(os.Environ(), "COX_SHIM_TEST_HELPER=kubelet")
	kubelet.Stderr = os.Stderr
	input, err := kubelet.StdinPipe()
	require.NoError(t, err)
	out, err := kubelet.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, kubelet.Start())
	t.Cleanup(func() {
		_ = kubelet.Process.Kill()
		_ = kubelet.Wait()
	})
	order := kubeletOrder{Binary: shimBinary, Dir: dir, Shims: n.shims, Spec: spec}
	require.NoError(t, json.NewEncoder(input).Encode(order))
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "started\n", line)
	return dir, name, kubelet
}

// beKubelet is the helper's side: it starts the pod and waits to be killed.
func beKubelet() error {
	var order kubeletOrder
	input := json.NewDecoder(os.Stdin)
	if err := input.Decode(&order); err != nil {
		return err
	}
	starter, err := shim.NewStarter(order.Binary, order.Shims)
	if err != nil {
		return err
	}
	defer starter.Close()
	client, err := starter.Start(context.Background(), order.Dir, order.Spec)
	if err != nil {
		return err
	}
	if _, err := os.Stdout.WriteString("started\n"); err != nil {
		return err
	}
	_, err = client.Wait(context.Background())
	if err == nil {
		_ = input.Decode(&order) // until the test closes our input
	}
	return err
}

// TestKilledKubelet kills it, adopts the running pod, and later finds its true end.
func TestKilledKubelet(t *testing.T) {
	n := newNode(t)
	spec := n.spec(t, `echo ready; until [ -e go ]; do sleep 0.01; done; exit 11`)
	spec.Stdout.Path = "out"
	dir, name, kubelet := startByKubelet(t, n, spec)
	awaitOutput(t, spec, "ready")
	require.NoError(t, kubelet.Process.Kill())
	require.Error(t, kubelet.Wait())

	client, err := shim.Adopt(t.Context(), dir)
	require.NoError(t, err)
	require.Equal(t, shimapi.PhaseRunning, client.State().Phase)
	require.NoError(t, os.WriteFile(spec.Dir+"/go", nil, 0o644))
	ctx, cancel := context.WithTimeout(t.Context(), waitMax)
	defer cancel()
	record, err := client.Wait(ctx)
	require.NoError(t, err)
	require.Equal(t, 11, record.ExitCode)
	require.NoError(t, n.driver.Remove(ctx, name))
}

// TestStoppedKubelet pauses it: the shim keeps the time limit alone.
func TestStoppedKubelet(t *testing.T) {
	n := newNode(t)
	spec := n.spec(t, "exec sleep 1000")
	spec.TimeLimitMS, spec.GraceMS = 2000, 20_000
	dir, name, kubelet := startByKubelet(t, n, spec)
	require.NoError(t, kubelet.Process.Signal(unix.SIGSTOP))
	var record shimapi.ExitRecord
	require.Eventually(t, func() bool {
		var err error
		record, err = shim.ReadExit(dir)
		return err == nil
	}, waitMax, poll)
	require.Equal(t, shimapi.ReasonTimeout, record.Reason)
	require.Equal(t, int(unix.SIGTERM), record.Signal)
	require.NoError(t, n.driver.Remove(t.Context(), name))
}

// TestFullDisk ends a pod while its state directory takes no byte more: the record is told at once,
// kept in memory, and written when there is room again.
func TestFullDisk(t *testing.T) {
	n := newNode(t)
	disk := n.dir + "/disk"
	require.NoError(t, os.Mkdir(disk, 0o755))
	require.NoError(t, unix.Mount("tmpfs", disk, "tmpfs", 0, "size=64k"))
	t.Cleanup(func() { require.NoError(t, unix.Unmount(disk, unix.MNT_DETACH)) })
	spec := n.spec(t, `until [ -e go ]; do sleep 0.01; done; exit 12`)
	spec.Cgroup = shimapi.Cgroup{}
	dir := disk + "/pod"
	require.NoError(t, os.Mkdir(dir, 0o700))
	client, err := n.starter.Start(t.Context(), dir, spec)
	require.NoError(t, err)

	ballast := disk + "/ballast"
	require.ErrorIs(t, os.WriteFile(ballast, make([]byte, 128<<10), 0o600), unix.ENOSPC)
	require.NoError(t, os.WriteFile(spec.Dir+"/go", nil, 0o644))
	ctx, cancel := context.WithTimeout(t.Context(), waitMax)
	defer cancel()
	record, err := client.Wait(ctx)
	require.NoError(t, err)
	require.Equal(t, 12, record.ExitCode)
	_, err = shim.ReadExit(dir)
	require.ErrorIs(t, err, os.ErrNotExist)
	adopted, err := shim.Adopt(ctx, dir)
	require.NoError(t, err, "a restarted kubelet gets it from the socket")
	again, err := adopted.Wait(ctx)
	require.NoError(t, err)
	require.Equal(t, record, again)

	require.NoError(t, os.Remove(ballast))
	require.Eventually(t, func() bool {
		saved, err := shim.ReadExit(dir)
		return err == nil && saved == record
	}, waitMax, 10*time.Millisecond)
	require.Eventually(t, func() bool {
		alive, err := shim.Alive(dir)
		return err == nil && !alive
	}, waitMax, 10*time.Millisecond)
}
