package shim_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/coxswain-hpc/coxswain/kubelet/shim"
	"github.com/coxswain-hpc/coxswain/kubelet/shim/shimapi"
)

// trap is a script that tells when it is ready and what it is sent, and never ends by itself.
const trap = `trap 'echo TERM; exit 3' TERM; trap 'echo USR1' USR1; echo ready
	while :; do sleep 0.01; done`

// stubborn ignores TERM, and so do its children.
const stubborn = `trap '' TERM; echo ready; while :; do sleep 0.01; done`

// awaitOutput waits until the pod wrote text to its output.
func awaitOutput(t *testing.T, spec shimapi.Spec, text string) {
	t.Helper()
	require.Eventually(t, func() bool {
		data, err := os.ReadFile(filepath.Join(spec.Dir, spec.Stdout.Path))
		return err == nil && strings.Contains(string(data), text)
	}, waitMax, poll, "the pod never wrote %q", text)
}

// limitIn moves the pod's time limit once its script is ready; on a loaded machine a short limit
// given at the start could come before the script has set its traps.
func limitIn(t *testing.T, p *pod, d time.Duration) {
	t.Helper()
	var now unix.Timespec
	require.NoError(t, unix.ClockGettime(unix.CLOCK_BOOTTIME, &now))
	at := now.Nano() + int64(d)
	require.NoError(t, p.client.SetDeadline(t.Context(), shimapi.DeadlineTimeLimit, at))
}

func TestTimeLimit(t *testing.T) {
	n := newNode(t)
	spec := n.spec(t, "exec sleep 1000")
	spec.TimeLimitMS, spec.GraceMS = 200, 20_000
	p := n.start(t, spec, fullLimits)
	record := p.wait(t)
	n.remove(t, p)
	require.Equal(t, shimapi.ReasonTimeout, record.Reason)
	require.Equal(t, int(unix.SIGTERM), record.Signal)
	ran := time.Duration(record.EndedBoottimeNS - record.StartedBoottimeNS)
	require.GreaterOrEqual(t, ran, 200*time.Millisecond)
	require.Less(t, ran, 15*time.Second)
}

func TestTimeLimitGrace(t *testing.T) {
	n := newNode(t)
	for _, c := range []struct {
		name, script string
		grace        int64
		code         int
		signal       unix.Signal
	}{
		{"a trap ends it within the grace", trap, 20_000, 3, 0},
		{"a stopped process is woken to act", `trap 'exit 4' TERM; echo ready; kill -STOP $$; sleep 100`, 20_000, 4, 0},
		{"KILL after the grace", stubborn, 100, 0, unix.SIGKILL},
		{"no grace", stubborn, 0, 0, unix.SIGKILL},
	} {
		t.Run(c.name, func(t *testing.T) {
			spec := n.spec(t, c.script)
			spec.Stdout.Path = "out"
			spec.TimeLimitMS, spec.GraceMS = 3_600_000, c.grace
			p := n.start(t, spec, fullLimits)
			awaitOutput(t, spec, "ready")
			limitIn(t, p, 50*time.Millisecond)
			record := p.wait(t)
			n.remove(t, p)
			require.Equal(t, shimapi.ReasonTimeout, record.Reason)
			require.Equal(t, c.code, record.ExitCode)
			require.Equal(t, int(c.signal), record.Signal)
		})
	}
}

func TestWarning(t *testing.T) {
	n := newNode(t)
	const script = `trap 'echo main' USR1
		bash -c 'trap "echo child" USR1; echo ready; while :; do sleep 0.01; done' &
		while :; do sleep 0.01; done`
	for _, c := range []struct {
		mainOnly  bool
		has, hasN string
	}{{true, "main", "child"}, {false, "child", "main"}} {
		spec := n.spec(t, script)
		spec.Stdout.Path = "out"
		spec.TimeLimitMS = 3_600_000
		spec.Warn = &shimapi.Warn{Signal: int(unix.SIGUSR1), BeforeMS: 60_000, MainOnly: c.mainOnly}
		p := n.start(t, spec, fullLimits)
		awaitOutput(t, spec, "ready")
		limitIn(t, p, 59*time.Second) // the warning is due
		awaitOutput(t, spec, c.has)
		limitIn(t, p, -1) // the limit is past, and gives no second warning
		require.Equal(t, shimapi.ReasonTimeout, p.wait(t).Reason)
		n.remove(t, p)
		data, err := os.ReadFile(filepath.Join(spec.Dir, "out"))
		require.NoError(t, err)
		require.NotContains(t, string(data), c.hasN)
	}
}

func TestDeadlinesMove(t *testing.T) {
	n := newNode(t)
	ctx := t.Context()
	spec := n.spec(t, trap)
	spec.Stdout.Path = "out"
	spec.TimeLimitMS, spec.GraceMS = 3_600_000, 10_000
	p := n.start(t, spec, fullLimits)
	awaitOutput(t, spec, "ready")
	state, err := p.client.Status(ctx)
	require.NoError(t, err)
	require.Equal(t, shimapi.PhaseRunning, state.Phase)
	require.Equal(t, state.StartedBoottimeNS+int64(time.Hour), state.DeadlineBoottimeNS)
	require.NotNil(t, state.Usage)
	require.Positive(t, state.Usage.Pids)

	require.NoError(t, p.client.SetDeadline(ctx, shimapi.DeadlineTimeLimit, 0))
	require.NoError(t, p.client.SetDeadline(ctx, shimapi.DeadlineLease, state.StartedBoottimeNS+1))
	record := p.wait(t)
	n.remove(t, p)
	require.Equal(t, shimapi.ReasonLeaseExpired, record.Reason)
	require.Equal(t, 3, record.ExitCode)
}

func TestStopAndSignal(t *testing.T) {
	n := newNode(t)
	ctx := t.Context()
	spec := n.spec(t, trap)
	spec.Stdout.Path = "out"
	p := n.start(t, spec, fullLimits)
	awaitOutput(t, spec, "ready")
	require.NoError(t, p.client.Signal(ctx, unix.SIGUSR1, shimapi.TargetMain))
	awaitOutput(t, spec, "USR1")
	require.ErrorContains(t, p.client.Signal(ctx, 99, shimapi.TargetMain), "signal 99")
	require.NoError(t, p.client.Stop(ctx, "cancelled", time.Minute))
	record := p.wait(t)
	n.remove(t, p)
	require.Equal(t, shimapi.Reason("cancelled"), record.Reason)
	require.Equal(t, 3, record.ExitCode)
	require.True(t, shim.IsEnded(p.client.Stop(ctx, "late", 0)))
}

// TestStopGivesChildrenTheirGrace has a main process that dies at once of TERM while its child saves
// its work: the grace is everybody's.
func TestStopGivesChildrenTheirGrace(t *testing.T) {
	n := newNode(t)
	spec := n.spec(t, `bash -c 'trap "sleep 0.3; echo saved; exit 0" TERM; echo ready
		while :; do sleep 0.01; done' &
		wait`)
	spec.Stdout.Path = "out"
	p := n.start(t, spec, fullLimits)
	awaitOutput(t, spec, "ready")
	require.NoError(t, p.client.Stop(t.Context(), "cancelled", time.Minute))
	require.Equal(t, int(unix.SIGTERM), p.wait(t).Signal)
	n.remove(t, p)
	awaitOutput(t, spec, "saved")
}

// TestNothingEscapes leaves processes behind in the ways that programs have.
func TestNothingEscapes(t *testing.T) {
	nothingEscapes(t, newNode(t))
}

// TestNothingEscapesV1 has the machine's v1 hierarchies without the tracker.
func TestNothingEscapesV1(t *testing.T) {
	require.DirExists(t, "/sys/fs/cgroup/freezer", "this test needs cgroup v1 hierarchies")
	mount := t.TempDir()
	for _, controller := range []string{"cpu", "cpuacct", "cpuset", "memory", "pids", "freezer"} {
		require.NoError(t, os.Symlink("/sys/fs/cgroup/"+controller, filepath.Join(mount, controller)))
	}
	nothingEscapes(t, newNodeAt(t, mount))
}

// TestNothingEscapesV2 has a cgroup2 tree alone, if one without our controllers.
func TestNothingEscapesV2(t *testing.T) {
	require.DirExists(t, "/sys/fs/cgroup/unified", "this test needs a hybrid cgroup layout")
	nothingEscapes(t, newNodeAt(t, "/sys/fs/cgroup/unified"))
}

func nothingEscapes(t *testing.T, n *node) {
	t.Helper()
	spec := n.spec(t, `
		setsid sleep 1000 &
		(setsid bash -c 'trap "" TERM HUP; sleep 1000 & echo $! >> pids; disown; exec sleep 1000' &)
		nohup sleep 1000 > /dev/null 2>&1 &
		echo $! >> pids
		until [ "$(wc -l < pids)" = 2 ]; do sleep 0.01; done
		exit 5`)
	p := n.start(t, spec, fullLimits)
	record := p.wait(t)
	require.Equal(t, 5, record.ExitCode)
	require.Equal(t, shimapi.ReasonExited, record.Reason)
	require.GreaterOrEqual(t, record.Leftover, 3)
	n.remove(t, p)
	data, err := os.ReadFile(filepath.Join(spec.Dir, "pids"))
	require.NoError(t, err)
	for word := range strings.FieldsSeq(string(data)) {
		pid, err := strconv.Atoi(word)
		require.NoError(t, err)
		require.ErrorIs(t, unix.Kill(pid, 0), unix.ESRCH)
	}
}

// TestAdoption forgets the first client, as a restarted kubelet has.
func TestAdoption(t *testing.T) {
	n := newNode(t)
	spec := n.spec(t, trap)
	spec.Stdout.Path = "out"
	p := n.start(t, spec, fullLimits)
	awaitOutput(t, spec, "ready")
	alive, err := shim.Alive(p.dir)
	require.NoError(t, err)
	require.True(t, alive)
	saved, err := shim.ReadState(p.dir)
	require.NoError(t, err)

	second, err := shim.Adopt(t.Context(), p.dir)
	require.NoError(t, err)
	require.Equal(t, saved.Main, second.State().Main)
	require.NoError(t, second.Stop(t.Context(), "cancelled", time.Minute))
	record, err := second.Wait(t.Context())
	require.NoError(t, err)
	require.Equal(t, record, p.wait(t))
	n.remove(t, p)

	require.Eventually(t, func() bool {
		alive, err := shim.Alive(p.dir)
		require.NoError(t, err)
		return !alive
	}, waitMax, poll)
	late, err := shim.Adopt(t.Context(), p.dir)
	require.NoError(t, err)
	again, err := late.Wait(t.Context())
	require.NoError(t, err)
	require.Equal(t, record, again)
}

func TestShimLost(t *testing.T) {
	n := newNode(t)
	spec := n.spec(t, stubborn)
	spec.Stdout.Path = "out"
	p := n.start(t, spec, fullLimits)
	awaitOutput(t, spec, "ready")
	adopted, err := shim.Adopt(t.Context(), p.dir)
	require.NoError(t, err)
	state := p.client.State()
	require.NoError(t, unix.Kill(state.Shim.PID, unix.SIGKILL))

	ctx, cancel := context.WithTimeout(t.Context(), waitMax)
	defer cancel()
	_, err = p.client.Wait(ctx)
	require.ErrorIs(t, err, shim.ErrLost)
	_, err = adopted.Wait(ctx)
	require.ErrorIs(t, err, shim.ErrLost)
	_, err = shim.Adopt(ctx, p.dir)
	require.ErrorIs(t, err, shim.ErrLost)

	require.NoError(t, unix.Kill(state.Main.PID, 0), "the pod's process outlives its shim")
	require.NoError(t, n.driver.Kill(ctx, p.name))
	n.remove(t, p)
}

func TestPoliteSignalsDontEndTheShim(t *testing.T) {
	n := newNode(t)
	spec := n.spec(t, trap)
	spec.Stdout.Path = "out"
	p := n.start(t, spec, fullLimits)
	awaitOutput(t, spec, "ready")
	for _, sig := range []unix.Signal{unix.SIGHUP, unix.SIGINT, unix.SIGTERM, unix.SIGQUIT} {
		require.NoError(t, unix.Kill(p.client.State().Shim.PID, sig))
	}
	_, err := p.client.Status(t.Context())
	require.NoError(t, err)
	require.NoError(t, p.client.Stop(t.Context(), "cancelled", 0))
	p.wait(t)
	n.remove(t, p)
}

// TestShimLivesOutside reads where each of its threads is: none may be charged to the pod, and none
// may have kept the user's identity.
func TestShimLivesOutside(t *testing.T) {
	n := newNode(t)
	spec := n.spec(t, trap)
	spec.Stdout.Path = "out"
	limits := fullLimits
	limits.CPUSet = "0"
	p := n.start(t, spec, limits)
	awaitOutput(t, spec, "ready")
	threads, err := filepath.Glob("/proc/" + strconv.Itoa(p.client.State().Shim.PID) + "/task/*")
	require.NoError(t, err)
	require.NotEmpty(t, threads)
	for _, thread := range threads {
		groups, err := os.ReadFile(thread + "/cgroup")
		require.NoError(t, err)
		require.NotContains(t, string(groups), "/pod-")
		require.Contains(t, string(groups), "/n1/shims")
		status, err := os.ReadFile(thread + "/status")
		require.NoError(t, err)
		require.Contains(t, string(status), "Uid:\t0\t0\t0\t0\n")
		require.NotContains(t, string(status), "CapEff:\t0000000000000000")
	}
	require.NoError(t, p.client.Stop(t.Context(), "cancelled", 0))
	p.wait(t)
	n.remove(t, p)
}

func TestBadSpecIsRefused(t *testing.T) {
	n := newNode(t)
	for _, change := range []func(*shimapi.Spec){
		func(s *shimapi.Spec) { s.Argv = nil },
		func(s *shimapi.Spec) { s.Dir = "relative" },
		func(s *shimapi.Spec) { s.TimeLimitMS = -1 },
		func(s *shimapi.Spec) { s.Umask = 0o1000 },
	} {
		spec := n.spec(t, "exit 0")
		change(&spec)
		_, err := n.starter.Start(t.Context(), t.TempDir(), spec)
		require.Error(t, err)
	}
	used := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(used, shimapi.SpecFile), nil, 0o600))
	_, err := n.starter.Start(t.Context(), used, n.spec(t, "exit 0"))
	require.ErrorIs(t, err, os.ErrExist, "a directory belongs to one pod")
}

// TestShimThatCantBegin has a socket in its way.
func TestShimThatCantBegin(t *testing.T) {
	n := newNode(t)
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, shimapi.SocketFile), nil, 0o600))
	client, err := n.starter.Start(t.Context(), dir, n.spec(t, "exit 0"))
	require.NoError(t, err)
	record, err := client.Wait(t.Context())
	require.NoError(t, err)
	require.Equal(t, shimapi.ReasonStartFailed, record.Reason)
	require.False(t, record.Start.User)
	require.Contains(t, record.Start.Message, "sock")
}

// TestStarterSurvivesKilledSpares kills the shims that wait for a pod.
func TestStarterSurvivesKilledSpares(t *testing.T) {
	n := newNode(t)
	for range 3 {
		for _, pid := range n.spares(t) {
			_ = unix.Kill(pid, unix.SIGKILL)
			require.Eventually(t, func() bool { return !slices.Contains(n.spares(t), pid) }, waitMax, poll)
		}
		p := n.start(t, n.spec(t, "exit 3"), fullLimits)
		require.Equal(t, 3, p.wait(t).ExitCode)
		n.remove(t, p)
	}
}

// spares lists the shims; without pods all of them are spare.
func (n *node) spares(t *testing.T) []int {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(n.shims.TrackerLeaf, "cgroup.procs"))
	require.NoError(t, err)
	var pids []int
	for word := range strings.FieldsSeq(string(data)) {
		pid, err := strconv.Atoi(word)
		require.NoError(t, err)
		pids = append(pids, pid)
	}
	return pids
}

func TestShimStaysSmall(t *testing.T) {
	n := newNode(t)
	spec := n.spec(t, trap)
	spec.Stdout.Path = "out"
	p := n.start(t, spec, fullLimits)
	awaitOutput(t, spec, "ready")
	status, err := os.ReadFile("/proc/" + strconv.Itoa(p.client.State().Shim.PID) + "/status")
	require.NoError(t, err)
	require.Less(t, statusKiB(t, string(status), "VmRSS"), 6<<10)
	require.NoError(t, p.client.Stop(t.Context(), "cancelled", 0))
	p.wait(t)
	n.remove(t, p)
}

func statusKiB(t *testing.T, status, key string) int {
	t.Helper()
	for line := range strings.Lines(status) {
		if value, ok := strings.CutPrefix(line, key+":"); ok {
			kib, err := strconv.Atoi(strings.Fields(value)[0])
			require.NoError(t, err)
			t.Logf("%s %d KiB", key, kib)
			return kib
		}
	}
	require.Fail(t, "no "+key)
	return 0
}
