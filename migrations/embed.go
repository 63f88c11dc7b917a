// Package migrations holds the schema as forward-only steps and brings a database up to it.
//
// Words: a step is one numbered SQL file; the schema's version is the number of the last step that
// was applied. Steps expand first and contract one version later, so that a server works with a
// schema one version newer or older than its own. schema.sql is the dump of the result.
//
// The package must not know what the tables are for: that is apiserver/store.
package migrations

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/database"
	"github.com/pressly/goose/v3/lock"

	"github.com/coxswain-hpc/coxswain/api"
)

//go:embed 0*.sql
var files embed.FS

// Versions by which the schema may be ahead of this program: one, for a rolling upgrade.
const versionsAhead = 1

// The wait for another server that migrates: tries, and seconds between them.
const (
	lockTries       = 300
	lockPauseSecond = 1
)

// Up brings the database at dsn to this program's schema. Servers that start at the same time
// wait for the one that migrates. A schema that is newer by more than one version is refused.
func Up(ctx context.Context, dsn string) error { return up(ctx, dsn, files) }

func up(ctx context.Context, dsn string, steps fs.FS) (err error) {
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		return fmt.Errorf("read the database's address: %w", err)
	}
	db := stdlib.OpenDB(*config)
	defer func() { err = errors.Join(err, db.Close()) }()
	provider, err := newProvider(db, steps)
	if err != nil {
		return err
	}
	if err := refuseNewer(ctx, db, provider); err != nil {
		return err
	}
	if _, err := provider.Up(ctx); err != nil {
		return fmt.Errorf("migrate the database: %w", err)
	}
	return nil
}

func newProvider(db *sql.DB, steps fs.FS) (*goose.Provider, error) {
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(lockPauseSecond, lockTries))
	if err != nil {
		return nil, fmt.Errorf("prepare the migration lock: %w", err)
	}
	provider, err := goose.NewProvider(goose.DialectPostgres, db, steps,
		goose.WithSessionLocker(locker), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return nil, fmt.Errorf("read the migrations: %w", err)
	}
	return provider, nil
}

// refuseNewer reads the schema's version without locking anything.
func refuseNewer(ctx context.Context, db *sql.DB, provider *goose.Provider) error {
	have, err := schemaVersion(ctx, db)
	if err != nil {
		return err
	}
	sources := provider.ListSources()
	known := sources[len(sources)-1].Version
	if have > known+versionsAhead {
		return api.Errorf(api.CodeUnsupported,
			"the database has schema version %d and this cox knows %d: upgrade this server", have, known)
	}
	return nil
}

// schemaVersion is 0 for a database that was never migrated.
func schemaVersion(ctx context.Context, db *sql.DB) (int64, error) {
	store, err := database.NewStore(goose.DialectPostgres, goose.DefaultTablename)
	if err != nil {
		return 0, fmt.Errorf("prepare to read the schema's version: %w", err)
	}
	var there bool
	const query = "SELECT to_regclass($1) IS NOT NULL"
	if err := db.QueryRowContext(ctx, query, goose.DefaultTablename).Scan(&there); err != nil {
		return 0, fmt.Errorf("look for the schema's version: %w", err)
	}
	if !there {
		return 0, nil
	}
	version, err := store.GetLatestVersion(ctx, db)
	if err != nil {
		return 0, fmt.Errorf("read the schema's version: %w", err)
	}
	return version, nil
}
