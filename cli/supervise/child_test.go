package supervise_test

import (
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coxswain-hpc/coxswain/cli/supervise"
	"github.com/coxswain-hpc/coxswain/internal/backoff"
	"github.com/coxswain-hpc/coxswain/internal/clock"
)

const patience = 20 * time.Second

func startChild(t *testing.T, command func() *exec.Cmd) (*supervise.Child, string) {
	t.Helper()
	log := filepath.Join(t.TempDir(), "log", "child.log")
	child, err := supervise.Start(supervise.Config{
		Name: "child", Command: command, StopSignal: syscall.SIGTERM, StopMax: time.Second, LogPath: log,
	}, clock.Real{}, slog.New(slog.DiscardHandler), func(p backoff.Policy) *backoff.Backoff {
		return backoff.New(p, rand.New(rand.NewPCG(1, 1)))
	})
	require.NoError(t, err)
	return child, log
}

func TestKilledChildIsStartedAgain(t *testing.T) {
	t.Parallel()
	child, _ := startChild(t, func() *exec.Cmd { return exec.Command("sleep", "600") })
	first := child.PID()
	require.NotZero(t, first)
	require.NoError(t, syscall.Kill(first, syscall.SIGKILL))
	require.Eventually(t, func() bool { pid := child.PID(); return pid != 0 && pid != first },
		patience, time.Millisecond)
	last := child.PID()
	child.Stop(t.Context())
	require.ErrorIs(t, syscall.Kill(last, 0), syscall.ESRCH)
}

func TestChildThatCanNotStartIsReportedWithItsLog(t *testing.T) {
	t.Parallel()
	child, log := startChild(t, func() *exec.Cmd { return exec.Command("sh", "-c", "echo no port left >&2; exit 7") })
	require.Eventually(t, func() bool { return child.Failed() != nil }, patience, time.Millisecond)
	require.ErrorContains(t, child.Failed(), "exit status 7")
	require.ErrorContains(t, child.Failed(), "no port left")
	child.Stop(t.Context())
	require.FileExists(t, log)
}

func TestStopKillsWhatDoesNotEnd(t *testing.T) {
	t.Parallel()
	child, log := startChild(t, func() *exec.Cmd {
		return exec.Command("sh", "-c", "trap '' TERM; echo ready; exec sleep 600")
	})
	require.Eventually(t, func() bool {
		text, err := os.ReadFile(log)
		return err == nil && len(text) > 0
	}, patience, time.Millisecond)
	pid := child.PID()
	child.Stop(t.Context())
	require.ErrorIs(t, syscall.Kill(pid, 0), syscall.ESRCH)
}

func TestMissingProgramFailsAtOnce(t *testing.T) {
	t.Parallel()
	_, err := supervise.Start(supervise.Config{
		Name: "child", Command: func() *exec.Cmd { return exec.Command("/no/such/program") },
		StopSignal: syscall.SIGTERM, StopMax: time.Second, LogPath: filepath.Join(t.TempDir(), "child.log"),
	}, clock.Real{}, slog.New(slog.DiscardHandler), func(p backoff.Policy) *backoff.Backoff {
		return backoff.New(p, rand.New(rand.NewPCG(1, 1)))
	})
	require.Error(t, err)
}
