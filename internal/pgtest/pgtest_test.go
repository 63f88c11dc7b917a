package pgtest_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/coxswain-hpc/coxswain/internal/pgtest"
)

func migrateBoats(ctx context.Context, dsn string) error {
	c, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	defer c.Close(ctx) //nolint:errcheck // the test server cleans up
	_, err = c.Exec(ctx, "CREATE TABLE boat (name text PRIMARY KEY); INSERT INTO boat VALUES ('eight')")
	return err
}

func migrateAndStayConnected(ctx context.Context, dsn string) error {
	_, err := pgx.Connect(ctx, dsn)
	return err
}

func migrateBadly(context.Context, string) error { return errors.New("the schema is broken") }

func connect(t *testing.T, dsn string) *pgx.Conn {
	t.Helper()
	c, err := pgx.Connect(t.Context(), dsn)
	require.NoError(t, err)
	t.Cleanup(func() { c.Close(context.Background()) }) //nolint:errcheck // may be cut off by the test
	return c
}

func count(t *testing.T, c *pgx.Conn) (n int) {
	t.Helper()
	require.NoError(t, c.QueryRow(t.Context(), "SELECT count(*) FROM boat").Scan(&n))
	return n
}

func TestEachTestHasItsOwnMigratedDatabase(t *testing.T) {
	t.Parallel()
	for range 4 {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			c := connect(t, pgtest.New(t, migrateBoats))
			require.Equal(t, 1, count(t, c))
			_, err := c.Exec(t.Context(), "INSERT INTO boat VALUES ('pair')")
			require.NoError(t, err)
			require.Equal(t, 2, count(t, c))
		})
	}
}

func TestTheDatabaseIsDroppedAfterTheTest(t *testing.T) { //nolint:tparallel // waits for its subtest
	t.Parallel()
	var dsn string
	t.Run("user", func(t *testing.T) {
		dsn = pgtest.New(t, migrateBoats)
		_, err := pgx.Connect(t.Context(), dsn) // left open: a test that failed leaves things open
		require.NoError(t, err)
	})
	_, err := pgx.Connect(t.Context(), dsn)
	require.ErrorContains(t, err, "does not exist")
}

func TestNilMigrateLeavesTheDatabaseEmpty(t *testing.T) {
	t.Parallel()
	c := connect(t, pgtest.New(t, nil))
	_, err := c.Exec(t.Context(), "SELECT FROM boat")
	require.ErrorContains(t, err, "does not exist")
}

func TestATemplateInUseIsStillCloned(t *testing.T) {
	t.Parallel()
	connect(t, pgtest.New(t, migrateAndStayConnected))
}

// failing records a fatal failure and ends the goroutine, as testing.T does.
type failing struct {
	testing.TB
	message string
}

func (f *failing) Helper() {}

func (f *failing) Fatalf(format string, args ...any) {
	f.message = format
	for _, arg := range args {
		if err, ok := arg.(error); ok {
			f.message = err.Error()
		}
	}
	panic(f)
}

func TestAFailedMigrationFailsTheTest(t *testing.T) {
	t.Parallel()
	for range 2 { // the second finds what the first left
		f := &failing{TB: t}
		require.PanicsWithValue(t, f, func() { pgtest.New(f, migrateBadly) })
		require.Contains(t, f.message, "the schema is broken")
	}
}

func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	var wg sync.WaitGroup
	dsns := make([]string, 8)
	for i := range dsns {
		wg.Go(func() { dsns[i] = pgtest.New(t, migrateBoats) })
	}
	wg.Wait()
	for _, dsn := range dsns {
		require.Equal(t, 1, count(t, connect(t, dsn)))
	}
}

func TestPrivateServerKeepsCommitsOverKill9AndStop(t *testing.T) {
	t.Parallel()
	s := pgtest.Start(t, pgtest.Options{Durable: true})
	dsn := s.DSN("postgres")
	require.NoError(t, migrateBoats(t.Context(), dsn))

	held := connect(t, dsn) // a backend that is busy when the server dies
	s.Kill9()
	require.Error(t, held.Ping(t.Context()))
	_, err := pgx.Connect(t.Context(), dsn)
	require.Error(t, err)

	s.Restart()
	require.Equal(t, 1, count(t, connect(t, dsn)))
	s.Stop()
	s.Stop()
	s.Restart()
	require.Equal(t, 1, count(t, connect(t, dsn)))

	var fsync string
	require.NoError(t, connect(t, dsn).QueryRow(t.Context(), "SHOW fsync").Scan(&fsync))
	require.Equal(t, "on", fsync)
}

// envChild makes this test program a child that opens a database and tells its DSN.
const envChild = "PGTEST_TEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(envChild) != "" {
		os.Exit(runChild())
	}
	os.Exit(m.Run())
}

// runChild is a test program that is killed in the middle of its test.
func runChild() int {
	child := testing.InternalTest{Name: "Child", F: func(t *testing.T) {
		t.Helper()
		fmt.Println(pgtest.New(t, migrateBoats))
		select {}
	}}
	all := func(string, string) (bool, error) { return true, nil }
	testing.Main(all, []testing.InternalTest{child}, nil, nil)
	return 1
}

func TestAKilledTestRunLeavesNoServer(t *testing.T) {
	t.Parallel()
	// The child's parent, standing for `go test`, is a shell that is killed together with it.
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command("/bin/sh", "-c", `"$0" & echo $! && wait`, self)
	cmd.Env = append(os.Environ(), envChild+"=1", pgtest.EnvURL+"=") // with a server of its own
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	pid, dsn := readLine(t, out), readLine(t, out)
	connect(t, dsn)

	require.NoError(t, exec.Command("kill", "-9", pid).Run())
	require.NoError(t, cmd.Process.Kill())
	cmd.Wait() //nolint:errcheck // killed

	config, err := pgx.ParseConfig(dsn)
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		_, err := os.Stat(config.Host)
		return errors.Is(err, os.ErrNotExist)
	}, time.Minute, 50*time.Millisecond, "the server's folder %s must go", config.Host)
	_, err = pgx.Connect(t.Context(), dsn)
	require.Error(t, err)
}

// TestAnExternalServerIsUsedAndSwept runs this program's simplest tests against a server that is
// named to it, as a developer with a server of his own does.
func TestAnExternalServerIsUsedAndSwept(t *testing.T) {
	t.Parallel()
	s := pgtest.Start(t, pgtest.Options{})
	c := connect(t, s.DSN("postgres"))
	for _, sql := range []string{
		"CREATE DATABASE cox_20200101_test_7_1",
		"CREATE DATABASE cox_20200101_template_ab IS_TEMPLATE true",
		"CREATE DATABASE cox_precious",
	} {
		_, err := c.Exec(t.Context(), sql)
		require.NoError(t, err)
	}

	cmd := exec.Command("/proc/self/exe", "-test.run", "^Test(EachTest|TheDatabase|NilMigrate)", "-test.v")
	cmd.Env = append(os.Environ(), pgtest.EnvURL+"="+s.DSN(""))
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), "--- PASS: TestEachTestHasItsOwnMigratedDatabase")

	rows, err := c.Query(t.Context(), `SELECT datname FROM pg_database
		WHERE datname ~ '^cox_' AND datname !~ '_template_' ORDER BY datname`)
	require.NoError(t, err)
	left, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	require.Equal(t, []string{"cox_precious"}, left)
	var old int
	const query = "SELECT count(*) FROM pg_database WHERE datname ~ '^cox_20200101'"
	require.NoError(t, c.QueryRow(t.Context(), query).Scan(&old))
	require.Zero(t, old)
}

func readLine(t *testing.T, r interface{ Read([]byte) (int, error) }) string {
	t.Helper()
	var line []byte
	b := make([]byte, 1)
	for {
		n, err := r.Read(b)
		require.NoError(t, err, "after %q", line)
		if n == 1 && b[0] == '\n' {
			return string(line)
		}
		line = append(line, b[:n]...)
	}
}
