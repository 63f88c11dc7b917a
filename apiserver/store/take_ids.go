package store

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/coxswain-hpc/coxswain/api"
)

// Submissions take numbers of the same sequence meanwhile, so a run of numbers may have holes. The
// leader then tries again, and after a few tries keeps the others out for a moment.
const takeIDsTries = 4

const (
	sqlTakeIDs = `SELECT min(v.id), max(v.id)
		FROM (SELECT nextval('job_id') AS id FROM generate_series(1, $1)) AS v`
	// Any ALTER holds back every other nextval until the transaction ends; this one changes nothing.
	sqlLockIDs = `ALTER SEQUENCE job_id CACHE 1`
)

func takeIDs(ctx context.Context, pool *pgxpool.Pool, term int64, n int) (api.JobID, error) {
	if n < 1 {
		return 0, api.Errorf(api.CodeInvalid, "%d numbers can't be taken", n)
	}
	for try := range takeIDsTries + 1 {
		first, last, err := takeRun(ctx, pool, term, n, try == takeIDsTries)
		if err != nil {
			return 0, err
		}
		if last-first == int64(n)-1 {
			return api.JobID(first), nil
		}
	}
	return 0, errors.New("the sequence gave no run of numbers although nobody else used it")
}

func takeRun(ctx context.Context, pool *pgxpool.Pool, term int64, n int, alone bool) (first, last int64, err error) {
	leads := false
	batch := &pgx.Batch{}
	batch.Queue("BEGIN")
	batch.Queue(sqlFence, term).Query(func(rows pgx.Rows) error {
		leads = rows.Next()
		rows.Close()
		return rows.Err() //nolint:wrapcheck // TakeIDs interprets it
	})
	if alone {
		batch.Queue(sqlLockIDs)
	}
	batch.Queue(sqlTakeIDs, n).QueryRow(func(row pgx.Row) error { return row.Scan(&first, &last) })
	batch.Queue("COMMIT")
	if err := pool.SendBatch(ctx, batch).Close(); err != nil {
		return 0, 0, err //nolint:wrapcheck // TakeIDs interprets it
	}
	if !leads {
		return 0, 0, notLeader(term)
	}
	return first, last, nil
}
