package pgtest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash/fnv"
	"os"
	"reflect"
	"runtime"

	"github.com/jackc/pgx/v5"
)

// template returns the name of the template database for migrate and makes it if need be. Test
// programs that come at the same time wait for the one that makes it; one that died halfway left
// a database that is not marked as a template, which is made again.
func (s *shared) template(ctx context.Context, migrate Migrate) (string, error) {
	name, err := s.templateName(migrate)
	if err != nil {
		return "", err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.templates[name] {
		return name, nil
	}
	err = withConn(ctx, s.dsn(s.maintenance), func(c *pgx.Conn) error {
		// The lock goes with the connection.
		if _, err := c.Exec(ctx, "SELECT pg_advisory_lock($1)", lockKey(name)); err != nil {
			return fmt.Errorf("lock the template %s: %w", name, err)
		}
		return s.ensureTemplate(ctx, c, name, migrate)
	})
	if err != nil {
		return "", err
	}
	s.templates[name] = true
	return name, nil
}

func (s *shared) ensureTemplate(ctx context.Context, c *pgx.Conn, name string, migrate Migrate) error {
	var done bool
	const query = "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1 AND datistemplate)"
	if err := c.QueryRow(ctx, query, name).Scan(&done); err != nil {
		return fmt.Errorf("look for the template %s: %w", name, err)
	}
	if done {
		return nil
	}
	if err := execAll(ctx, c,
		"DROP DATABASE IF EXISTS "+quote(name)+" WITH (FORCE)",
		"CREATE DATABASE "+quote(name)+" TEMPLATE template0"); err != nil {
		return err
	}
	if migrate != nil {
		if err := migrate(ctx, s.dsn(name)); err != nil {
			return fmt.Errorf("migrate the template %s: %w", name, err)
		}
	}
	return sealTemplate(ctx, c, name)
}

// sealTemplate marks a finished template. Nobody may stay connected, or it can't be cloned.
func sealTemplate(ctx context.Context, c *pgx.Conn, name string) error {
	if err := execAll(ctx, c, "ALTER DATABASE "+quote(name)+" ALLOW_CONNECTIONS false"); err != nil {
		return err
	}
	const terminate = "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = $1"
	if _, err := c.Exec(ctx, terminate, name); err != nil {
		return fmt.Errorf("close the connections of the template %s: %w", name, err)
	}
	return execAll(ctx, c, "ALTER DATABASE "+quote(name)+" IS_TEMPLATE true")
}

func execAll(ctx context.Context, c *pgx.Conn, statements ...string) error {
	for _, sql := range statements {
		if _, err := c.Exec(ctx, sql); err != nil {
			return fmt.Errorf("run %q: %w", sql, err)
		}
	}
	return nil
}

// templateName is made of the migrating function's name, and on a server that outlives the run
// also of the program's content: there, yesterday's schema must not be found again.
func (s *shared) templateName(migrate Migrate) (string, error) {
	h := sha256.New()
	if migrate != nil {
		h.Write([]byte(runtime.FuncForPC(reflect.ValueOf(migrate).Pointer()).Name()))
	}
	if s.outlivesRun {
		program, err := os.ReadFile("/proc/self/exe")
		if err != nil {
			return "", fmt.Errorf("read this test program: %w", err)
		}
		h.Write(program)
	}
	return s.prefix + "template_" + hex.EncodeToString(h.Sum(nil)[:8]), nil
}

func lockKey(name string) int64 {
	h := fnv.New64a()
	h.Write([]byte(name))
	return int64(h.Sum64())
}
