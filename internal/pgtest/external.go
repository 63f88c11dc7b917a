package pgtest

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// keepDays is for how long databases that killed tests left on an external server are kept. Two
// days, because a run may begin just before midnight.
const keepDays = 2

const dayLayout = "20060102"

// openExternal uses the server at raw, whose database in the URL is used for maintenance only.
func openExternal(ctx context.Context, raw string) (*shared, error) {
	u, err := url.Parse(raw)
	if err != nil || !strings.HasPrefix(u.Scheme, "postgres") {
		return nil, fmt.Errorf("%s must be a URL such as postgres://user@host/database", EnvURL)
	}
	maintenance := strings.TrimPrefix(u.Path, "/")
	if maintenance == "" {
		maintenance = "postgres"
	}
	s := &shared{
		base: u, maintenance: maintenance, outlivesRun: true, templates: map[string]bool{},
		prefix: "cox_" + time.Now().UTC().Format(dayLayout) + "_",
	}
	if err := s.sweep(ctx, time.Now().UTC()); err != nil {
		return nil, fmt.Errorf("use the server of %s: %w", EnvURL, err)
	}
	return s, nil
}

// sweep drops what earlier runs left: their databases carry the day in their names.
func (s *shared) sweep(ctx context.Context, now time.Time) error {
	return withConn(ctx, s.dsn(s.maintenance), func(c *pgx.Conn) error {
		const query = `SELECT datname FROM pg_database
			WHERE datname ~ '^cox_[0-9]{8}_(test|template)_' ORDER BY datname LIMIT 1000`
		rows, err := c.Query(ctx, query)
		if err != nil {
			return fmt.Errorf("list old test databases: %w", err)
		}
		names, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return fmt.Errorf("list old test databases: %w", err)
		}
		for _, name := range names {
			err = errors.Join(err, dropIfOld(ctx, c, name, now))
		}
		return err
	})
}

func dropIfOld(ctx context.Context, c *pgx.Conn, name string, now time.Time) error {
	day, err := time.Parse(dayLayout, name[len("cox_"):][:len(dayLayout)])
	if err == nil && now.Sub(day) < (keepDays+1)*24*time.Hour {
		return nil
	}
	return execAll(ctx, c,
		"ALTER DATABASE "+quote(name)+" IS_TEMPLATE false",
		"DROP DATABASE IF EXISTS "+quote(name)+" WITH (FORCE)")
}
