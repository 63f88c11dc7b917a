// Package pgtest gives tests a real Postgres: no mock, no container, no download.
//
// New is for nearly every test: a database of the test's own, cloned in some tens of milliseconds
// from a template that was migrated once. Start is for the few tests that stop or kill the server.
//
// The server is the one named by TEST_DATABASE_URL (a role that may create databases), or else a
// private one that all test programs of one `go test` share. That one is started by the first that
// needs it, runs as an unprivileged user on a Unix socket in a temporary directory with fsync off,
// and goes away with the last of them, however they ended: each test program holds a shared lock
// for as long as it lives, and supervise.sh, the server's parent, stops it when nobody does.
//
// The package must not know the schema: the caller passes the function that migrates.
package pgtest

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// EnvURL names the variable with the URL of a server that is already there.
const EnvURL = "TEST_DATABASE_URL"

// timeout bounds every step that talks to Postgres: far beyond an honest one on a busy machine.
const timeout = 90 * time.Second

// Migrate brings the empty database at dsn to the schema that tests need. It must depend on
// nothing but its arguments (no captured variables), because its result is kept under the
// function's name, and it must close its connections. Nil leaves the database empty.
type Migrate func(ctx context.Context, dsn string) error

// New returns the DSN of a migrated database that belongs to this test and is dropped after it.
func New(tb testing.TB, migrate Migrate) (dsn string) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	s := sharedServer(ctx, tb)
	template, err := s.template(ctx, migrate)
	if err != nil {
		tb.Fatalf("pgtest: make the template database: %v", err)
	}
	name := s.newName()
	if err := s.admin(ctx, cloneSQL(name, template)); err != nil {
		tb.Fatalf("pgtest: clone the template database: %v", err)
	}
	tb.Cleanup(func() { s.drop(tb, name) })
	return s.dsn(name)
}

func cloneSQL(name, template string) string {
	return fmt.Sprintf("CREATE DATABASE %s TEMPLATE %s", quote(name), quote(template))
}

func (s *shared) drop(tb testing.TB, name string) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	if err := s.admin(ctx, "DROP DATABASE IF EXISTS "+quote(name)+" WITH (FORCE)"); err != nil {
		tb.Errorf("pgtest: drop the test's database: %v", err)
	}
}

// admin runs one statement on a connection of its own to the maintenance database.
func (s *shared) admin(ctx context.Context, sql string) error {
	return withConn(ctx, s.dsn(s.maintenance), func(c *pgx.Conn) error {
		if _, err := c.Exec(ctx, sql); err != nil {
			return fmt.Errorf("run %q: %w", sql, err)
		}
		return nil
	})
}

func withConn(ctx context.Context, dsn string, do func(*pgx.Conn) error) error {
	c, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return fmt.Errorf("connect to the test server: %w", err)
	}
	defer c.Close(ctx) //nolint:errcheck // the work is done; the server notices by itself
	return do(c)
}

func quote(identifier string) string { return pgx.Identifier{identifier}.Sanitize() }

// sharedServer returns this process's handle of the shared server, started when need be.
func sharedServer(ctx context.Context, tb testing.TB) *shared {
	tb.Helper()
	handle.Lock()
	defer handle.Unlock()
	if handle.server == nil {
		s, err := openShared(ctx)
		if err != nil {
			tb.Fatalf("pgtest: %v", err)
		}
		handle.server = s
	}
	return handle.server
}

func openShared(ctx context.Context) (*shared, error) {
	if url := os.Getenv(EnvURL); url != "" {
		return openExternal(ctx, url)
	}
	return joinPrivate(ctx)
}
