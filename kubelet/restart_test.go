package kubelet_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coxswain-hpc/coxswain/api"
)

// child runs the bundle's kubelet as a process of its own, which can be killed.
func (b *bundle) child() *exec.Cmd { return b.childAs(nil) }

func (b *bundle) childAs(user *syscall.Credential) *exec.Cmd {
	b.t.Helper()
	o := childOptions{
		Node: b.opts.Node, StateDir: b.opts.StateDir, CgroupRoot: b.opts.CgroupRoot, Shim: shimBinary, Socket: b.path,
	}
	text, err := json.Marshal(o)
	require.NoError(b.t, err)
	cmd := exec.Command("/proc/self/exe") // the file itself may be out of the user's reach
	cmd.Env = append(os.Environ(), childEnv+"="+string(text))
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: user}
	var said bytes.Buffer // read after Wait, which ends the writing
	cmd.Stderr = &said
	b.mu.Lock()
	before := b.hellos
	b.mu.Unlock()
	require.NoError(b.t, cmd.Start())
	b.t.Cleanup(func() {
		_ = cmd.Process.Kill() // most tests have done so
		_ = cmd.Wait()
		if b.t.Failed() {
			b.t.Logf("kubelet %d said:\n%s", cmd.Process.Pid, &said)
		}
	})
	b.wait("the kubelet's hello", func() bool { return b.hellos > before })
	return cmd
}

func kill(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	require.NoError(t, cmd.Process.Kill())
	_ = cmd.Wait() // killed
}

func TestKillOfTheKubeletLosesNothing(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	first := b.child()
	running := b.script("while [ ! -e go1 ]; do sleep 0.01; done; echo ran; exit 11\n")
	meanwhile := b.script("while [ ! -e go2 ]; do sleep 0.01; done; exit 12\n")
	limited := b.script("sleep 600\n", func(a *api.PodAssignment, _ *api.KubeletTemplate) { a.TimeLimitSeconds = 2 })
	for _, key := range []api.PodKey{running, meanwhile, limited} {
		b.waitState(key, api.PodRunning)
	}
	kill(t, first)
	touch(t, b.workDir, "go2")
	require.Eventually(t, func() bool {
		_, err1 := os.Stat(filepath.Join(b.opts.StateDir, "pods", meanwhile.PathName(), "exit.json"))
		_, err2 := os.Stat(filepath.Join(b.opts.StateDir, "pods", limited.PathName(), "exit.json"))
		return err1 == nil && err2 == nil
	}, patience, tick, "the shims enforce and record without a kubelet")

	second := b.child()
	end := b.waitEnd(meanwhile)
	require.Equal(t, 12, end.Exit.Code)
	require.Positive(t, end.Exit.Usage.CPUSeconds)
	require.Equal(t, api.PodTimeout, b.waitEnd(limited).State)

	touch(t, b.workDir, "go1")
	require.Equal(t, 11, b.waitEnd(running).Exit.Code)
	require.Equal(t, "ran\n", b.output(running), "it ran once")
	kill(t, second)

	b.child()
	for _, key := range []api.PodKey{running, meanwhile, limited} {
		b.release(key)
	}
	b.requireNothingLeft()
}

func TestAKilledShimIsReportedAndItsProcessesDie(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	first := b.child()
	key := b.script("sleep 600 & echo $! > child; wait\n")
	away := b.script("sleep 600 & echo $! > child2; wait\n")
	b.waitState(key, api.PodRunning)
	b.waitState(away, api.PodRunning)
	child, child2 := waitPID(t, b, "child"), waitPID(t, b, "child2")
	killShim(t, b, key)
	require.Equal(t, api.PodShimLost, b.waitEnd(key).State)
	waitGone(t, child)

	kill(t, first)
	killShim(t, b, away)
	b.child()
	require.Equal(t, api.PodShimLost, b.waitEnd(away).State)
	waitGone(t, child2)
	b.release(key)
	b.release(away)
	b.requireNothingLeft()
}

func TestPodsOfAnEarlierBootAreReported(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	first := b.child()
	ran := b.script("sleep 600\n")
	ended := b.script("exit 9\n")
	b.waitState(ran, api.PodRunning)
	b.waitEnd(ended)
	kill(t, first)
	killShim(t, b, ran) // as the machine's end would
	for _, key := range []api.PodKey{ran, ended} {
		path := filepath.Join(b.opts.StateDir, "pods", key.PathName(), "pod.json")
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
		require.NoError(t, err)
		other := strings.ReplaceAll(string(data), strings.TrimSpace(string(boot)), "another-boot")
		require.NotEqual(t, string(data), other)
		require.NoError(t, os.WriteFile(path, []byte(other), 0o600))
	}
	require.NoError(t, os.WriteFile(filepath.Join(b.opts.StateDir, "boot_id"), []byte("another-boot"), 0o600))
	b.mu.Lock()
	b.reports = map[api.PodKey][]api.PodReport{}
	b.mu.Unlock()
	// Its checkpoint is lost with the machine: it may have run.
	b.mu.Lock()
	unknown := api.PodKey{Instance: api.Instance{Owner: 99, Index: api.NoIndex}, Attempt: 1}
	b.pods[unknown] = api.PodAssignment{Key: unknown, State: api.PodBound}
	for _, key := range []api.PodKey{ran, ended} {
		a := b.pods[key]
		a.State = api.PodRunning
		b.pods[key] = a
	}
	b.mu.Unlock()
	b.child()
	require.Equal(t, api.PodNodeFailed, b.waitEnd(ran).State)
	require.Equal(t, 9, b.waitEnd(ended).Exit.Code)
	require.Equal(t, api.ReasonUnknownToNode, b.waitEnd(unknown).Exit.Reason)
	for _, key := range []api.PodKey{ran, ended, unknown} {
		b.release(key)
	}
	b.requireNothingLeft()
}

// TestAPodThatTheBootLostIsNotStartedByTheNextKubelet: the first one after the boot is killed before the
// store is done with the pod.
func TestAPodThatTheBootLostIsNotStartedByTheNextKubelet(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	require.NoError(t, os.Mkdir(b.opts.StateDir, 0o711))
	require.NoError(t, os.WriteFile(filepath.Join(b.opts.StateDir, "boot_id"), []byte("another-boot"), 0o600))
	lost := b.script("touch ran-again\n")
	for range 2 {
		b.mu.Lock()
		b.reports, b.mute = map[api.PodKey][]api.PodReport{}, true
		b.mu.Unlock()
		cmd := b.child()
		require.Equal(t, api.ReasonUnknownToNode, b.waitEnd(lost).Exit.Reason)
		kill(t, cmd)
	}
	b.mu.Lock()
	b.mute = false
	b.mu.Unlock()
	b.child()
	b.release(lost)
	b.requireNothingLeft()
	require.NoFileExists(t, filepath.Join(b.workDir, "ran-again"))
	require.Eventually(t, func() bool {
		noted, err := os.ReadFile(filepath.Join(b.opts.StateDir, "boot_id"))
		return err == nil && string(noted) != "another-boot"
	}, patience, tick)
}

func TestTwoKubeletsCannotShareAStateDirectory(t *testing.T) {
	t.Parallel()
	b := start(t)
	second := exec.Command(os.Args[0])
	o := childOptions{
		Node: "n1", StateDir: b.opts.StateDir, CgroupRoot: b.opts.CgroupRoot, Shim: shimBinary, Socket: b.path,
	}
	text, err := json.Marshal(o)
	require.NoError(t, err)
	second.Env = append(os.Environ(), childEnv+"="+string(text))
	out, err := second.CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(out), "another kubelet works in this state directory")
}

func touch(t *testing.T, dir, name string) {
	t.Helper()
	require.NoError(t, os.WriteFile(filepath.Join(dir, name), nil, 0o644))
}

func killShim(t *testing.T, b *bundle, key api.PodKey) {
	t.Helper()
	require.NoError(t, syscall.Kill(shimPID(t, b, key), syscall.SIGKILL))
}

func shimPID(t *testing.T, b *bundle, key api.PodKey) int {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(b.opts.StateDir, "pods", key.PathName(), "state.json"))
	require.NoError(t, err)
	var state struct {
		Shim struct {
			PID int `json:"pid"`
		} `json:"shim"`
	}
	require.NoError(t, json.Unmarshal(data, &state))
	require.Positive(t, state.Shim.PID)
	return state.Shim.PID
}

func waitPID(t *testing.T, b *bundle, name string) int {
	t.Helper()
	pid := 0
	require.Eventually(t, func() bool {
		data, err := os.ReadFile(filepath.Join(b.workDir, name))
		if err != nil {
			return false
		}
		pid, err = strconv.Atoi(strings.TrimSpace(string(data)))
		return err == nil && pid > 0
	}, patience, tick)
	return pid
}

func waitGone(t *testing.T, pid int) {
	t.Helper()
	require.Eventually(t, func() bool {
		data, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
		return err != nil || strings.Contains(string(data), ") Z ")
	}, patience, tick, "process %d lives", pid)
}

// TestAStoppedShimDoesNotKeepTheKubeletFromItsOtherPods: one shim is frozen when the kubelet comes
// back.
func TestAStoppedShimDoesNotKeepTheKubeletFromItsOtherPods(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	first := b.child()
	frozen := b.script("sleep 600\n")
	b.waitState(frozen, api.PodRunning)
	kill(t, first)
	pid := shimPID(t, b, frozen)
	require.NoError(t, syscall.Kill(pid, syscall.SIGSTOP))
	t.Cleanup(func() { _ = syscall.Kill(pid, syscall.SIGKILL) }) // if the test failed
	b.child()
	other := b.script("exit 2\n")
	require.Equal(t, 2, b.waitEnd(other).Exit.Code)

	require.NoError(t, syscall.Kill(pid, syscall.SIGCONT))
	b.alter(frozen, func(a *api.PodAssignment) {
		a.State = api.PodRunning
		a.Stop = &api.PodStop{State: api.PodCancelled, Reason: api.ReasonCancelled}
	})
	require.Equal(t, api.PodCancelled, b.waitEnd(frozen).State)
	b.release(frozen)
	b.release(other)
	b.requireNothingLeft()
}
