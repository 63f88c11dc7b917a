package store_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/coxswain-hpc/coxswain/api"
)

// Two servers: the old leader does not know that it was replaced.
func TestOldLeaderOnAnotherServerIsFenced(t *testing.T) {
	t.Parallel()
	a, dsn := openDSN(t)
	b := connect(t, dsn)
	ctx := t.Context()
	job := submit(t, a, spec())
	old := lead(t, a)
	require.NoError(t, a.Renew(ctx, old))
	term := lead(t, b)

	status := job.Status
	status.State, status.EndedAt = api.JobCancelled, &status.SubmittedAt
	commit := api.Commit{Jobs: []api.JobCommit{{ID: job.ID, Generation: 1, Status: status}}, Now: noon}
	_, err := a.Commit(ctx, old, commit)
	require.ErrorIs(t, err, api.ErrNotLeader)
	_, err = a.TakeIDs(ctx, old, 2)
	require.ErrorIs(t, err, api.ErrNotLeader)
	require.ErrorIs(t, a.Renew(ctx, old), api.ErrNotLeader)
	got, err := a.GetJob(ctx, job.ID)
	require.NoError(t, err)
	require.Equal(t, api.JobPending, got.Status.State)

	result, err := b.Commit(ctx, term, commit)
	require.NoError(t, err)
	require.Empty(t, result.Refused)
}

// leaderTx is a transaction of the leader of a term that hangs in the middle.
func leaderTx(t *testing.T, dsn string, term int64) pgx.Tx {
	t.Helper()
	config, err := pgx.ParseConfig(dsn)
	require.NoError(t, err)
	config.RuntimeParams["application_name"] = fmt.Sprintf("cox-leader-%d", term)
	conn, err := pgx.ConnectConfig(t.Context(), config)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	tx, err := conn.Begin(t.Context())
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), "SELECT 1 FROM leader WHERE term = $1 FOR KEY SHARE", term)
	require.NoError(t, err)
	return tx
}

// The new leader waits a little for the old one's open transaction, then ends it: nothing of the
// old term can be committed after the new term has begun.
func TestTakeOverEndsAHungLeader(t *testing.T) {
	t.Parallel()
	s, dsn := openDSN(t)
	old := lead(t, s)
	tx := leaderTx(t, dsn, old)
	_, err := tx.Exec(t.Context(), "INSERT INTO feed (at, touched) VALUES ($1, '{}')", noon)
	require.NoError(t, err)
	require.NoError(t, s.Renew(t.Context(), old), "renewal does not wait for the leader's transactions")

	began := time.Now()
	term, ok, err := s.TakeOver(t.Context(), old, "new")
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, old+1, term)
	require.Greater(t, time.Since(began), 400*time.Millisecond, "it gave the old leader some time")
	require.Error(t, tx.Commit(t.Context()))
}

// A transaction that commits within that time is let through.
func TestTakeOverWaitsForAShortTransaction(t *testing.T) {
	t.Parallel()
	s, dsn := openDSN(t)
	old := lead(t, s)
	tx := leaderTx(t, dsn, old)
	done := make(chan error, 1)
	go func() {
		_, _, err := s.TakeOver(t.Context(), old, "new")
		done <- err
	}()
	waitForLock(t, dsn)
	require.NoError(t, tx.Commit(t.Context()))
	require.NoError(t, <-done)
	row, err := s.Leader(t.Context())
	require.NoError(t, err)
	require.Equal(t, old+1, row.Term)
}

// waitForLock returns when some backend of this database waits for a lock.
func waitForLock(t *testing.T, dsn string) {
	t.Helper()
	w := newWriter(t, dsn)
	require.Eventually(t, func() bool {
		return count(t, w.conn, `SELECT count(*) FROM pg_stat_activity
			WHERE datname = current_database() AND wait_event_type = 'Lock'`) > 0
	}, 5*time.Second, time.Millisecond)
}

// Submissions take numbers all the time; a run of the leader's numbers has none of theirs.
func TestTakeIDsBesideSubmissions(t *testing.T) {
	t.Parallel()
	s := open(t)
	term := lead(t, s)
	stop, done := make(chan struct{}), make(chan []api.JobID)
	const clients = 4
	for range clients {
		go func() {
			var ids []api.JobID
			defer func() { done <- ids }()
			for {
				select {
				case <-stop:
					return
				default:
					job, _, err := trySubmit(t.Context(), s, spec())
					if err != nil {
						t.Error(err)
						return
					}
					ids = append(ids, job.ID)
				}
			}
		}()
	}
	seen := map[api.JobID]bool{}
	for range 10 {
		first, err := s.TakeIDs(t.Context(), term, 200)
		require.NoError(t, err)
		for i := range api.JobID(200) {
			require.False(t, seen[first+i])
			seen[first+i] = true
		}
	}
	close(stop)
	for range clients {
		for _, id := range <-done {
			require.False(t, seen[id], "job %d has a number of the leader's", id)
		}
	}
}
