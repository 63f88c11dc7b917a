package migrations

import (
	"context"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/internal/pgtest"
)

var update = flag.Bool("update", false, "write schema.sql anew (make generate does it)")

// noise is what a dump holds beside the schema: comments, settings, and psql commands with random keys.
var noise = regexp.MustCompile(`(?m)^(--.*|SET .*|SELECT pg_catalog\.set_config.*|\\.*)\n`)

// dump gives the schema as pg_dump sees it, without what differs between its versions.
func dump(t *testing.T, dsn string) string {
	t.Helper()
	path, err := exec.LookPath("pg_dump")
	require.NoError(t, err, "pg_dump is missing: install the package postgresql-client")
	cmd := exec.CommandContext(t.Context(), path, "--schema-only", "--no-owner", "--no-privileges",
		"--exclude-table=goose_db_version*", "--dbname="+dsn)
	out, err := cmd.Output()
	require.NoError(t, err)
	text := noise.ReplaceAllString(string(out), "")
	return strings.TrimSpace(regexp.MustCompile(`\n{3,}`).ReplaceAllString(text, "\n\n")) + "\n"
}

// schema.sql shows the result of all migrations on one page. sqlc and readers rely on it.
func TestSchemaIsTheResultOfTheMigrations(t *testing.T) {
	t.Parallel()
	got := "-- The result of all migrations, written by go test ./migrations -update. Never edited.\n\n" +
		dump(t, pgtest.New(t, Up))
	if *update {
		require.NoError(t, os.WriteFile("schema.sql", []byte(got), 0o644))
	}
	want, err := os.ReadFile("schema.sql")
	require.NoError(t, err)
	require.Equal(t, string(want), got, "run make generate")
}

func TestUpAtTheSameTime(t *testing.T) {
	t.Parallel()
	dsn := pgtest.New(t, nil)
	const servers = 4
	done := make(chan error, servers)
	for range servers {
		go func() { done <- Up(t.Context(), dsn) }()
	}
	for range servers {
		require.NoError(t, <-done)
	}
	require.Equal(t, int64(1), applied(t, dsn), "each step ran once")
}

func applied(t *testing.T, dsn string) (n int64) {
	t.Helper()
	c, err := pgx.Connect(t.Context(), dsn)
	require.NoError(t, err)
	defer c.Close(context.Background()) //nolint:errcheck // a test's
	const query = "SELECT count(*) FROM goose_db_version WHERE version_id = 1"
	require.NoError(t, c.QueryRow(t.Context(), query).Scan(&n))
	return n
}

// later is a program that knows some more steps than ours, and the version of the last one.
func later(t *testing.T, steps int) (all fstest.MapFS, version int) {
	t.Helper()
	all = fstest.MapFS{}
	today, err := fs.Glob(files, "*.sql")
	require.NoError(t, err)
	for _, name := range today {
		text, err := files.ReadFile(name)
		require.NoError(t, err)
		all[name] = &fstest.MapFile{Data: text}
	}
	for i := range steps {
		version = len(today) + i + 1
		all[fmt.Sprintf("%04d_later.sql", version)] = &fstest.MapFile{Data: []byte("-- +goose Up\nSELECT 1;\n")}
	}
	return all, version
}

func TestNewerSchema(t *testing.T) {
	t.Parallel()
	dsn := pgtest.New(t, Up)
	next, _ := later(t, 1)
	require.NoError(t, up(t.Context(), dsn, next))
	require.NoError(t, Up(t.Context(), dsn), "one version ahead is a rolling upgrade")

	afterNext, version := later(t, 2)
	require.NoError(t, up(t.Context(), dsn, afterNext))
	err := Up(t.Context(), dsn)
	require.Equal(t, api.CodeUnsupported, api.CodeOf(err), "%v", err)
	require.ErrorContains(t, err, fmt.Sprintf("schema version %d", version))
}
