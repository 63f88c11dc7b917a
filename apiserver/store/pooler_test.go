package store_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/apiserver/store"
	"github.com/coxswain-hpc/coxswain/internal/pgtest"
)

// pooled starts PgBouncer in front of a server of the test's own and returns its DSN.
func pooled(t *testing.T, mode string) string {
	t.Helper()
	server := pgtest.Start(t, pgtest.Options{})
	to, err := pgx.ParseConfig(server.DSN("postgres"))
	require.NoError(t, err)
	dir := server.SocketDir()
	const port = 6432
	config := fmt.Sprintf(`[databases]
postgres = host=%s port=%d user=%s
[pgbouncer]
listen_port = %d
unix_socket_dir = %s
auth_type = any
pool_mode = %s
`, dir, to.Port, to.User, port, dir, mode)
	path := filepath.Join(dir, "pgbouncer.ini")
	require.NoError(t, os.WriteFile(path, []byte(config), 0o644))

	program, err := exec.LookPath("pgbouncer")
	if err != nil {
		program = "/usr/sbin/pgbouncer" // not on everybody's path
	}
	cmd := exec.Command(program, "-q", path)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: ownerOf(t, dir)}
	require.NoError(t, cmd.Start(), "Debian's package pgbouncer is needed: scripts/install-deps.sh test")
	t.Cleanup(func() {
		require.NoError(t, cmd.Process.Kill())
		cmd.Wait() //nolint:errcheck // it was killed
	})
	require.Eventually(t, func() bool {
		c, err := net.Dial("unix", filepath.Join(dir, fmt.Sprintf(".s.PGSQL.%d", port)))
		if err == nil {
			err = c.Close()
		}
		return err == nil
	}, time.Minute, 10*time.Millisecond)
	return fmt.Sprintf("host=%s port=%d user=%s dbname=postgres", dir, port, to.User)
}

// ownerOf is who runs the database server: a pooler, too, refuses to run as root.
func ownerOf(t *testing.T, path string) *syscall.Credential {
	t.Helper()
	info, err := os.Stat(path)
	require.NoError(t, err)
	stat, ok := info.Sys().(*syscall.Stat_t)
	require.True(t, ok)
	if os.Geteuid() != 0 {
		return nil
	}
	return &syscall.Credential{Uid: stat.Uid, Gid: stat.Gid}
}

func TestATransactionPoolerIsRefused(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, err := store.Open(ctx, store.Options{DSN: pooled(t, "transaction")})
	require.Equal(t, api.CodeTransactionPool, api.CodeOf(err), "%v", err)
	require.ErrorContains(t, err, "session")
}

func TestASessionPoolerWillDo(t *testing.T) {
	t.Parallel()
	s := connect(t, pooled(t, "session"))
	term, job := lead(t, s), submit(t, s, spec())
	_, err := s.Commit(t.Context(), term, api.Commit{Jobs: []api.JobCommit{bindUnit(job)}, Now: noon})
	require.NoError(t, err)
	_, pods, err := s.Jobs(t.Context(), []api.JobID{job.ID})
	require.NoError(t, err)
	require.Len(t, pods, 1)
}
