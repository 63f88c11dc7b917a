package store

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/apiserver/store/internal/db"
)

// Limits of the takeover: how long it waits for the old leader's open transactions before it ends
// them, and how often it tries.
const (
	takeOverLockTimeout = "500ms"
	takeOverTries       = 20
)

// leaderConns are one for commits and one for renewals, which must never wait for a commit.
const leaderConns = 2

// leaderPool is the pool of one term. Its connections carry the term in their name, so that the
// next leader can end them.
type leaderPool struct {
	term int64
	pool *pgxpool.Pool
}

func leaderName(term int64) string { return fmt.Sprintf("cox-leader-%d", term) }

// Leader reads the leader's row.
func (s *Store) Leader(ctx context.Context) (api.LeaderRow, error) {
	row, err := s.q.GetLeader(ctx)
	if err != nil {
		return api.LeaderRow{}, interpretError("read who leads", err)
	}
	return api.LeaderRow{Term: row.Term, Holder: row.Holder, Beat: row.Beat}, nil
}

// Renew raises the beat. It changes no key, so it doesn't wait for the leader's own transactions.
func (s *Store) Renew(ctx context.Context, term int64) error {
	pool, err := s.leaderPool(ctx, term)
	if err != nil {
		return err
	}
	n, err := db.New(pool).RenewLeader(ctx, term)
	if err != nil {
		return interpretError(what("renew term %d", term), err)
	}
	if n == 0 {
		return notLeader(term)
	}
	return nil
}

// TakeOver makes holder the leader of the term after old, if old is still the term. It waits for
// the old leader's open transactions, for a short time; then it ends them.
func (s *Store) TakeOver(ctx context.Context, old int64, holder string) (term int64, ok bool, err error) {
	doing := what("take over from term %d", old)
	for range takeOverTries {
		n, err := s.tryTakeOver(ctx, old, holder)
		switch {
		case err == nil:
			return old + 1, n == 1, nil
		case sqlState(err) != stateLockNotAvailable:
			return 0, false, interpretError(doing, err)
		}
		if err := s.endLeader(ctx, old); err != nil {
			return 0, false, interpretError(doing, err)
		}
	}
	return 0, false, api.Errorf(api.CodeUnavailable,
		"%s: its transactions don't end; look at pg_stat_activity for %s", doing, leaderName(old))
}

func (s *Store) tryTakeOver(ctx context.Context, old int64, holder string) (rows int64, err error) {
	err = pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SET LOCAL lock_timeout = '"+takeOverLockTimeout+"'"); err != nil {
			return fmt.Errorf("bound the wait: %w", err)
		}
		rows, err = db.New(tx).TakeOver(ctx, holder, old)
		return err
	})
	return rows, err //nolint:wrapcheck // the caller looks at its state
}

// endLeader ends the connections of an old term's leader; its open transactions roll back. (sqlc
// does not know pg_stat_activity.)
func (s *Store) endLeader(ctx context.Context, term int64) error {
	const query = `SELECT pg_terminate_backend(a.pid) FROM pg_stat_activity AS a
		WHERE a.application_name = $1 AND a.datname = current_database() AND a.pid <> pg_backend_pid()`
	if _, err := s.pool.Exec(ctx, query, leaderName(term)); err != nil {
		return fmt.Errorf("end the connections of term %d: %w", term, err)
	}
	return nil
}

// leaderPool gives the pool of the term and closes that of an earlier one.
func (s *Store) leaderPool(ctx context.Context, term int64) (*pgxpool.Pool, error) {
	s.leaderMu.Lock()
	defer s.leaderMu.Unlock()
	if s.leader != nil && s.leader.term == term {
		return s.leader.pool, nil
	}
	if s.leader != nil && s.leader.term > term {
		return nil, notLeader(term)
	}
	pool, err := newPool(ctx, s.options.DSN, leaderName(term), 1, leaderConns)
	if err != nil {
		return nil, err
	}
	if s.leader != nil {
		go s.leader.pool.Close() // waits for its connections to come back
	}
	s.leader = &leaderPool{term: term, pool: pool}
	return pool, nil
}

func notLeader(term int64) error {
	return api.Errorf(api.CodeNotLeader, "term %d is over: another server leads", term)
}
