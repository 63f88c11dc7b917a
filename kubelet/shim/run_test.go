package shim_test

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/coxswain-hpc/coxswain/kubelet/cgroup"
	"github.com/coxswain-hpc/coxswain/kubelet/shim/shimapi"
)

// output runs a script to its end and returns what it wrote.
func output(t *testing.T, n *node, spec shimapi.Spec) (string, shimapi.ExitRecord) {
	t.Helper()
	spec.Stdout.Path = "out"
	p := n.start(t, spec, fullLimits)
	record := p.wait(t)
	n.remove(t, p)
	data, err := os.ReadFile(filepath.Join(spec.Dir, "out"))
	require.NoError(t, err)
	return string(data), record
}

func TestExitCodesAndSignals(t *testing.T) {
	n := newNode(t)
	for _, c := range []struct {
		script string
		reason shimapi.Reason
		code   int
		signal syscall.Signal
	}{
		{"exit 0", shimapi.ReasonExited, 0, 0},
		{"exit 7", shimapi.ReasonExited, 7, 0},
		{"kill -USR1 $$", shimapi.ReasonSignaled, 0, unix.SIGUSR1},
		{"kill -KILL $$", shimapi.ReasonSignaled, 0, unix.SIGKILL},
	} {
		t.Run(c.script, func(t *testing.T) {
			p := n.start(t, n.spec(t, c.script), fullLimits)
			record := p.wait(t)
			n.remove(t, p)
			require.Equal(t, c.reason, record.Reason, "%+v", record.Start)
			require.Equal(t, c.code, record.ExitCode)
			require.Equal(t, int(c.signal), record.Signal)
			require.Positive(t, record.Usage.CPUNS)
			require.GreaterOrEqual(t, record.EndedBoottimeNS, record.StartedBoottimeNS)
		})
	}
}

func TestIdentityDirectoryAndEnvironment(t *testing.T) {
	n := newNode(t)
	spec := n.spec(t, `id -u; id -g; id -G; umask; pwd; env | grep -v '^_=' | sort
		printf '%s\n' "$GREETING"
		ps -o sid= -p $$ | tr -d ' '; echo $$
		grep -E 'CapEff|NoNewPrivs|SigIgn|SigBlk' /proc/self/status`)
	spec.User.Groups = []uint32{7, 9}
	spec.Env = append(spec.Env, "GREETING=two\nlines", "SHLVL=1")
	spec.Umask = 0o027
	spec.NoNewPrivs = true
	got, record := output(t, n, spec)
	require.Equal(t, shimapi.ReasonExited, record.Reason, "%+v", record.Start)
	lines := strings.Split(got, "\n")
	require.Equal(t, []string{"65534", "65534", "65534 7 9", "0027", spec.Dir}, lines[:5])
	require.Contains(t, got, "\ntwo\nlines\n")
	require.NotContains(t, got, "GOMAXPROCS", "the shim's own environment leaks")
	require.Equal(t, lines[len(lines)-7], lines[len(lines)-6], "the main process leads its session:\n%s", got)
	require.Contains(t, got, "CapEff:\t0000000000000000")
	require.Contains(t, got, "NoNewPrivs:\t1")
	require.Contains(t, got, "SigIgn:\t0000000000000000")
	require.Contains(t, got, "SigBlk:\t0000000000000000")
}

func TestOutputFilesAreTheUsers(t *testing.T) {
	n := newNode(t)
	spec := n.spec(t, "echo out; echo err >&2")
	private := filepath.Join(spec.Dir, "private")
	require.NoError(t, os.Mkdir(private, 0o700))
	require.NoError(t, os.Chown(private, nobody, nobody))
	spec.Dir = private
	spec.Stdout.Path, spec.Stderr.Path = "o", "e"
	for _, appends := range []bool{false, false, true} {
		spec.Stdout.Append, spec.Stderr.Append = appends, appends
		p := n.start(t, spec, fullLimits)
		p.wait(t)
		n.remove(t, p)
	}
	out, err := os.ReadFile(filepath.Join(private, "o"))
	require.NoError(t, err)
	require.Equal(t, "out\nout\n", string(out), "the second run truncates, the third appends")
	errs, err := os.ReadFile(filepath.Join(private, "e"))
	require.NoError(t, err)
	require.Equal(t, "err\nerr\n", string(errs))
	info, err := os.Stat(filepath.Join(private, "o"))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o644), info.Mode())
	stat, ok := info.Sys().(*syscall.Stat_t)
	require.True(t, ok)
	require.Equal(t, []uint32{nobody, nobody}, []uint32{stat.Uid, stat.Gid})
}

func TestStartFailures(t *testing.T) {
	n := newNode(t)
	write := func(name, content string, mode os.FileMode) string {
		path := filepath.Join(n.spec(t, "").Dir, name)
		require.NoError(t, os.WriteFile(path, []byte(content), mode))
		return path
	}
	rootOnly := filepath.Join(n.dir, "root-only")
	require.NoError(t, os.Mkdir(rootOnly, 0o700))
	for _, c := range []struct {
		name   string
		change func(*shimapi.Spec)
		step   shimapi.Step
		errno  syscall.Errno
		user   bool
	}{
		{
			"no directory", func(s *shimapi.Spec) { s.Dir = "/no/such/dir" },
			shimapi.StepWorkdir, unix.ENOENT, true,
		},
		{
			"closed directory", func(s *shimapi.Spec) { s.Dir = rootOnly },
			shimapi.StepWorkdir, unix.EACCES, true,
		},
		{
			"no output directory", func(s *shimapi.Spec) { s.Stdout.Path = "no/out" },
			shimapi.StepStdout, unix.ENOENT, true,
		},
		{
			"closed output", func(s *shimapi.Spec) { s.Stderr.Path = rootOnly + "/e" },
			shimapi.StepStderr, unix.EACCES, true,
		},
		{"a pipe that nobody reads", func(s *shimapi.Spec) {
			s.Stdout.Path = "fifo"
			require.NoError(t, unix.Mkfifo(filepath.Join(s.Dir, "fifo"), 0o666))
			require.NoError(t, os.Chmod(filepath.Join(s.Dir, "fifo"), 0o666))
		}, shimapi.StepStdout, unix.ENXIO, true},
		{"no input", func(s *shimapi.Spec) { s.Stdin.Path = "none" }, shimapi.StepStdin, unix.ENOENT, true},
		{
			"no command", func(s *shimapi.Spec) { s.Argv = []string{"no-such-command"} },
			shimapi.StepExec, unix.ENOENT, true,
		},
		{
			"no path", func(s *shimapi.Spec) { s.Argv = []string{"/no/such/command"} },
			shimapi.StepExec, unix.ENOENT, true,
		},
		{
			"not executable", func(s *shimapi.Spec) { s.Argv = []string{write("plain", "#!/bin/sh\n", 0o644)} },
			shimapi.StepExec, unix.EACCES, true,
		},
		{
			"no interpreter", func(s *shimapi.Spec) { s.Argv = []string{write("odd", "#!/no/sh\n", 0o755)} },
			shimapi.StepExec, unix.ENOENT, true,
		},
		{
			"no first line", func(s *shimapi.Spec) { s.Argv = []string{write("bare", "echo hi\n", 0o755)} },
			shimapi.StepExec, unix.ENOEXEC, true,
		},
		{
			"no group", func(s *shimapi.Spec) { s.Cgroup.TrackerLeaf = "/sys/fs/cgroup/none" },
			shimapi.StepCgroup, unix.ENOENT, false,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			spec := n.spec(t, "exit 0")
			c.change(&spec)
			keep := spec.Cgroup.TrackerLeaf
			p, err := n.tryStartWith(spec, fullLimits, func(s *shimapi.Spec) {
				if keep != "" {
					s.Cgroup.TrackerLeaf = keep
				}
			})
			require.NoError(t, err)
			record := p.wait(t)
			n.remove(t, p)
			require.Equal(t, shimapi.ReasonStartFailed, record.Reason)
			require.NotNil(t, record.Start)
			require.Equal(t, c.step, record.Start.Step, record.Start.Message)
			require.Equal(t, int(c.errno), record.Start.Errno, record.Start.Message)
			require.Equal(t, c.user, record.Start.User, record.Start.Message)
			require.NotEmpty(t, record.Start.Message)
		})
	}
}

func TestSoftLimits(t *testing.T) {
	n := newNode(t)
	spec := n.spec(t, "ulimit -S -n; ulimit -H -n; ulimit -S -v; ulimit -S -c; ulimit -S -s")
	var hard unix.Rlimit
	require.NoError(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &hard))
	spec.Rlimits = []shimapi.Rlimit{
		{Resource: unix.RLIMIT_NOFILE, Soft: 123},
		{Resource: unix.RLIMIT_AS, Soft: 500 << 20},
		{Resource: unix.RLIMIT_CORE, Soft: 0},
		{Resource: unix.RLIMIT_STACK, Soft: 4 << 20},
	}
	got, record := output(t, n, spec)
	require.Equal(t, shimapi.ReasonExited, record.Reason, "%+v", record.Start)
	require.Equal(t, fmt.Sprintf("123\n%d\n%d\n0\n4096\n", hard.Max, 500<<10), got)

	spec.Rlimits = []shimapi.Rlimit{{Resource: unix.RLIMIT_NOFILE, Soft: math.MaxUint64}}
	got, _ = output(t, n, spec)
	require.True(t, strings.HasPrefix(got, fmt.Sprintf("%d\n", hard.Max)), "clipped to the hard limit: %s", got)
}

// TestProcessIsInEveryLeaf reads the kernel's own answer from inside, and checks that memory is
// charged to the pod.
func TestProcessIsInEveryLeaf(t *testing.T) {
	n := newNode(t)
	spec := n.spec(t, "cat /proc/self/cgroup; x=$(head -c 30000000 /dev/zero | tr '\\0' x); echo ${#x}")
	got, record := output(t, n, spec)
	require.Contains(t, got, "30000000")
	leaf := "/n1/guaranteed/pod-1-0/main"
	for _, controller := range n.driver.Info().Controllers {
		if controller == "cpuset" {
			continue // no cpuset was asked for
		}
		require.Regexp(t, "[:,]"+controller+"[:,].*"+leaf+"\n", got)
	}
	require.Contains(t, got, leaf, "tracker")
	require.Greater(t, record.Usage.MemoryPeak, int64(30_000_000))
	require.Greater(t, record.Usage.MaxProcessRSS, int64(30_000_000))
}

func TestOutOfMemory(t *testing.T) {
	n := newNode(t)
	limits := fullLimits
	limits.MemoryBytes = 32 << 20
	spec := n.spec(t, "x=$(head -c 100000000 /dev/zero | tr '\\0' x); echo survived; exit 0")
	p := n.start(t, spec, limits)
	record := p.wait(t)
	n.remove(t, p)
	require.Equal(t, shimapi.ReasonOutOfMemory, record.Reason)
	require.Positive(t, record.Usage.OOMKills)
	require.Equal(t, int64(32<<20), record.MemoryBytes)
	require.InDelta(t, 32<<20, record.Usage.MemoryPeak, 1<<20)
}

func TestProcessLimit(t *testing.T) {
	n := newNode(t)
	limits := fullLimits
	limits.PidsMax = 5
	spec := n.spec(t, "for i in 1 2 3 4 5 6 7 8; do sleep 100 & done; echo unlimited")
	spec.Stderr.Path = "err"
	p := n.start(t, spec, limits)
	require.Eventually(t, func() bool {
		data, err := os.ReadFile(filepath.Join(spec.Dir, "err"))
		return err == nil && strings.Contains(string(data), "fork")
	}, waitMax, poll)
	require.NoError(t, p.client.Stop(t.Context(), "cancelled", 0))
	require.Equal(t, shimapi.Reason("cancelled"), p.wait(t).Reason)
	n.remove(t, p)
}

// TestMemoryAgreesWithTime compares the record with what GNU time measures of the same work.
func TestMemoryAgreesWithTime(t *testing.T) {
	n := newNode(t)
	const work = `exec dd if=/dev/zero of=/dev/null bs=150M count=3 status=none`
	p := n.start(t, n.spec(t, work), cgroup.Limits{MemoryBytes: 512 << 20})
	record := p.wait(t)
	n.remove(t, p)
	require.Equal(t, shimapi.ReasonExited, record.Reason)
	direct := rusageOf(t, work)
	require.InEpsilon(t, direct.Maxrss*1024, record.Usage.MaxProcessRSS, 0.05)
}
