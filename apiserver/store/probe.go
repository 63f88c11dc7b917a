package store

import (
	"context"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/coxswain-hpc/coxswain/api"
)

// versionMin is the oldest Postgres that has what we use, as server_version_num counts.
const versionMin = 150000

// probeRounds is how often the probe looks for its setting again, with other statements between:
// a transaction pooler hands each of them to whichever backend is free.
const probeRounds = 4

// probe refuses a server that is too old, and a transaction pooler: locks, settings and LISTEN
// belong to a session, and that one takes the session away between two statements.
func probe(ctx context.Context, pool *pgxpool.Pool) error {
	a, err := pool.Acquire(ctx)
	if err != nil {
		return interpretError("connect to the database", err)
	}
	defer a.Release()
	b, err := connect(ctx, pool.Config().ConnString(), applicationName)
	if err != nil {
		return err
	}
	defer b.Close(ctx) //nolint:errcheck // the probe is over
	var version int
	const query = "SELECT current_setting('server_version_num')::int"
	if err := a.QueryRow(ctx, query).Scan(&version); err != nil {
		return interpretError("read the database's version", err)
	}
	if version < versionMin {
		return api.Errorf(api.CodeUnsupported,
			"the database is Postgres %d; Coxswain needs Postgres 15 or newer", version/10000)
	}
	return probeSession(ctx, a.Conn(), b)
}
