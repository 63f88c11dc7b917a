package postgres_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coxswain-hpc/coxswain/cli/postgres"
)

// dataDir is a folder that the database's user can reach, which a test's own folder of root is not.
func dataDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "coxpg-up-") //nolint:usetesting // another user must get into it
	require.NoError(t, err)
	require.NoError(t, os.Chmod(dir, 0o711))
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	return filepath.Join(dir, "postgres")
}

func start(t *testing.T, s *postgres.Server) *exec.Cmd {
	t.Helper()
	cmd := s.Command()
	cmd.Stderr = os.Stderr
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGINT) //nolint:errcheck // it may have ended
		cmd.Wait()                         //nolint:errcheck // it may have ended
	})
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	require.NoError(t, s.WaitReady(ctx, func() error { return nil }))
	return cmd
}

func psql(dsn string, credential *syscall.Credential) (string, error) {
	cmd := exec.Command("psql", dsn, "-Atc",
		"select current_user, current_setting('listen_addresses'), current_setting('fsync')")
	cmd.Dir = "/"
	if credential != nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: credential}
	}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func TestPrivateServerServesItsMakerAndNobodyElse(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	s, err := postgres.Open(t.Context(), dir)
	require.NoError(t, err)
	start(t, s)
	out, err := psql(s.DSN(), nil)
	require.NoError(t, err, out)
	require.Equal(t, "cox||on\n", out)
	if os.Getuid() != 0 {
		return // only root can try as somebody else
	}
	// Even with the folder open to all, the kernel's word on who connects decides.
	for _, path := range []string{dir, filepath.Join(dir, "run")} {
		require.NoError(t, os.Chmod(path, 0o755))
	}
	require.NoError(t, os.Chmod(filepath.Join(dir, "run", ".s.PGSQL.5432"), 0o777))
	out, err = psql(s.DSN(), &syscall.Credential{Uid: 65534, Gid: 65534})
	require.Error(t, err)
	require.Contains(t, out, "Peer authentication failed")
}

func TestServerThatWasLeftRunningIsStopped(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	s, err := postgres.Open(t.Context(), dir)
	require.NoError(t, err)
	cmd := start(t, s)

	again, err := postgres.Open(t.Context(), dir)
	require.NoError(t, err)
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	had, err := again.StopOrphan(t.Context())
	require.NoError(t, err)
	require.True(t, had)
	require.NoError(t, <-done, "a fast shutdown ends with 0")
	had, err = again.StopOrphan(t.Context())
	require.NoError(t, err)
	require.False(t, had)
	start(t, again)
}

func TestPathTooLongForASocket(t *testing.T) {
	t.Parallel()
	_, err := postgres.Open(t.Context(), "/tmp/"+string(make([]byte, 100)))
	require.ErrorContains(t, err, "too long for a Unix socket")
}

// TestRootWritesNothingWhereTheDatabasesUserCan: else a link of that user would lead root's hand.
func TestRootWritesNothingWhereTheDatabasesUserCan(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	precious := filepath.Join(t.TempDir(), "precious")
	require.NoError(t, os.WriteFile(precious, []byte("kept"), 0o600))
	require.NoError(t, os.Mkdir(dir, 0o700))
	require.NoError(t, os.Symlink(precious, filepath.Join(dir, "hba.conf")))
	_, err := postgres.Open(t.Context(), dir)
	require.NoError(t, err)
	text, err := os.ReadFile(precious)
	require.NoError(t, err)
	require.Equal(t, "kept", string(text))
	info, err := os.Stat(dir)
	require.NoError(t, err)
	stat, ok := info.Sys().(*syscall.Stat_t)
	require.True(t, ok)
	require.EqualValues(t, os.Getuid(), stat.Uid)
	require.Zero(t, info.Mode().Perm()&0o022)
}
