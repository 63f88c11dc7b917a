package store

import (
	"context"
	"encoding/json"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/apiserver/store/internal/db"
)

// rollbackTimeout bounds the clean-up of a commit whose context has ended.
const rollbackTimeout = 5 * time.Second

// Commit applies the leader's batch in one transaction and two round trips: the fence with the
// guards, then all writes with the commit. A unit whose job has another generation or has ended,
// whose nodes have other generations, or which would give an instance a second live pod, is
// refused as a whole.
func (s *Store) Commit(ctx context.Context, term int64, c api.Commit) (api.CommitResult, error) {
	pool, err := s.leaderPool(ctx, term)
	if err != nil {
		return api.CommitResult{}, err
	}
	var result api.CommitResult
	for range txTries {
		if result, err = commitOnce(ctx, pool, term, c); !isRetryable(err) {
			break
		}
	}
	if err != nil {
		return api.CommitResult{}, interpretError(what("commit in term %d", term), err)
	}
	s.Ring()
	return result, nil
}

func commitOnce(ctx context.Context, pool *pgxpool.Pool, term int64, c api.Commit) (api.CommitResult, error) {
	conn, err := pool.Acquire(ctx)
	if err != nil {
		return api.CommitResult{}, err //nolint:wrapcheck // Commit interprets it
	}
	defer conn.Release()
	found, err := readGuards(ctx, conn, term, c)
	if err != nil {
		rollback(ctx, conn)
		return api.CommitResult{}, err
	}
	units, refused := found.sift(c.Jobs)
	if err := writeUnits(ctx, conn, term, units, c); err != nil {
		rollback(ctx, conn)
		return api.CommitResult{}, err
	}
	return api.CommitResult{Refused: refused}, nil
}

// rollback leaves the connection clean; if it can't, the pool throws the connection away.
func rollback(ctx context.Context, conn *pgxpool.Conn) {
	if conn.Conn().PgConn().TxStatus() == 'I' {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollbackTimeout)
	defer cancel()
	conn.Exec(ctx, "ROLLBACK") //nolint:errcheck // see above
}

// writeUnits writes what the guards let through and commits.
func writeUnits(ctx context.Context, conn *pgxpool.Conn, term int64, units []api.JobCommit, c api.Commit) error {
	rows, err := gather(units, c)
	if err != nil {
		return err
	}
	var p pipeline
	if err := rows.queue(ctx, db.New(&p), term); err != nil {
		return err
	}
	if touched := rows.touched.list(); !isEmpty(touched) {
		if err := db.New(&p).WriteFeed(ctx, instant(c.Now), touched); err != nil {
			return err
		}
	}
	p.batch.Queue("COMMIT")
	return p.send(ctx, conn)
}

// jsonText is v for a list of jsonb values.
func jsonText(v any) (string, error) {
	b, err := json.Marshal(v)
	return string(b), err //nolint:wrapcheck // says what could not be encoded
}

// exitText is the empty text for no exit.
func exitText(exit *api.PodExit) (string, error) {
	if exit == nil {
		return "", nil
	}
	return jsonText(exit)
}
