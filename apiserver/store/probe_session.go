package store

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/coxswain-hpc/coxswain/api"
)

// The setting that the probe leaves on a session and looks for again. Poolers don't know it, so
// they carry it nowhere.
const (
	setProbe  = "SELECT set_config('cox.probe', $1, false)"
	readProbe = "SELECT COALESCE(current_setting('cox.probe', true), '')"
)

// probeSession keeps two client connections busy by turns. Behind a transaction pooler, b's
// transaction gets the backend that a has just left and changes the setting under a; or, while b
// holds that backend, a is handed to another one, which has no setting.
func probeSession(ctx context.Context, a, b *pgx.Conn) error {
	mine, other := newID(), newID()
	for round := range probeRounds {
		if err := probeRound(ctx, a, b, mine, other, round%2 == 1); err != nil {
			return err
		}
	}
	return nil
}

// probeRound looks at a's setting after b's transaction or, if during is set, inside it. The first
// round is an "after": it settles the case of a pooler with a single backend, where the other kind
// would wait for ever.
func probeRound(ctx context.Context, a, b *pgx.Conn, mine, other string, during bool) error {
	if _, err := a.Exec(ctx, setProbe, pgx.QueryExecModeExec, mine); err != nil {
		return interpretError("probe the database session", err)
	}
	tx, err := b.Begin(ctx)
	if err != nil {
		return interpretError("probe the database session", err)
	}
	defer tx.Rollback(ctx) //nolint:errcheck // no rows were written
	if _, err := tx.Exec(ctx, setProbe, pgx.QueryExecModeExec, other); err != nil {
		return interpretError("probe the database session", err)
	}
	if during {
		return checkProbe(ctx, a, mine)
	}
	if err := tx.Commit(ctx); err != nil {
		return interpretError("probe the database session", err)
	}
	return checkProbe(ctx, a, mine)
}

func checkProbe(ctx context.Context, c *pgx.Conn, want string) error {
	var got string
	if err := c.QueryRow(ctx, readProbe, pgx.QueryExecModeExec).Scan(&got); err != nil {
		return interpretError("probe the database session", err)
	}
	if got == want {
		return nil
	}
	return api.Errorf(api.CodeTransactionPool,
		"the database's address leads to a transaction pooler, where sessions don't last; "+
			"point the server at Postgres itself, or set the pool's mode to session")
}
