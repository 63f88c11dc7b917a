package store_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/apiserver/store"
	"github.com/coxswain-hpc/coxswain/internal/pgtest"
)

// writer is a transaction that writes the feed by hand, so that a test decides when it commits.
type writer struct {
	t    testing.TB
	conn *pgx.Conn
	tx   pgx.Tx
}

func newWriter(t testing.TB, dsn string) *writer {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return &writer{t: t, conn: conn}
}

// begin takes a transaction id by writing the feed row of one job.
func (w *writer) begin(id api.JobID) {
	w.t.Helper()
	tx, err := w.conn.Begin(w.t.Context())
	require.NoError(w.t, err)
	_, err = tx.Exec(w.t.Context(), "INSERT INTO feed (at, touched) VALUES ($1, $2)", noon,
		api.Touched{Jobs: []api.JobID{id}})
	require.NoError(w.t, err)
	w.tx = tx
}

func (w *writer) commit() {
	w.t.Helper()
	require.NoError(w.t, w.tx.Commit(w.t.Context()))
	w.tx = nil
}

func (w *writer) rollback() {
	w.t.Helper()
	require.NoError(w.t, w.tx.Rollback(w.t.Context()))
	w.tx = nil
}

func read(t testing.TB, s *store.Store, since api.Cursor, limit int) ([]api.JobID, api.Cursor) {
	t.Helper()
	page, err := s.Feed(t.Context(), since, limit)
	require.NoError(t, err)
	return page.Touched.Jobs, page.Cursor
}

// A transaction that began early and commits late has a low number: readers who remember "the last
// number seen" skip it.
func TestFeedShowsLateCommits(t *testing.T) {
	t.Parallel()
	s, dsn := openDSN(t)
	early, late := newWriter(t, dsn), newWriter(t, dsn)
	c := cursor(t, s)

	early.begin(1)
	late.begin(2)
	late.commit()
	ids, c := read(t, s, c, 0)
	require.Equal(t, []api.JobID{2}, ids)
	early.commit()
	ids, c = read(t, s, c, 0)
	require.Equal(t, []api.JobID{1}, ids)
	ids, _ = read(t, s, c, 0)
	require.Empty(t, ids)
}

func TestFeedIsNotStalledByAnOpenTransaction(t *testing.T) {
	t.Parallel()
	s, dsn := openDSN(t)
	open, others := newWriter(t, dsn), newWriter(t, dsn)
	open.begin(1)
	c := cursor(t, s)

	var ids []api.JobID
	for id := api.JobID(2); id < 30; id++ {
		others.begin(id)
		others.commit()
		ids, c = read(t, s, c, 0)
		require.Equal(t, []api.JobID{id}, ids, "seen at once, and only once")
	}
	open.commit()
	ids, _ = read(t, s, c, 0)
	require.Equal(t, []api.JobID{1}, ids)
}

// Random interleavings: every committed transaction is seen exactly once, whatever the page size,
// and none that rolled back.
//
//nolint:paralleltest,tparallel // the subtests read one feed
func TestFeedUnderRandomInterleavings(t *testing.T) {
	t.Parallel()
	s, dsn := openDSN(t)
	for seed := range uint64(5) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 7))
			writers := make([]*writer, 6)
			for i := range writers {
				writers[i] = newWriter(t, dsn)
			}
			c, next := cursor(t, s), api.JobID(seed*1000+1)
			seen, committed := map[api.JobID]int{}, map[api.JobID]bool{}
			holds := map[*writer]api.JobID{}
			look := func() {
				var ids []api.JobID
				ids, c = read(t, s, c, 1+rng.IntN(4))
				for _, id := range ids {
					seen[id]++
				}
			}
			end := func(w *writer, commit bool) {
				if commit {
					committed[holds[w]] = true
					w.commit()
				} else {
					w.rollback()
				}
			}
			for range 200 {
				w := writers[rng.IntN(len(writers))]
				switch {
				case rng.IntN(3) == 0:
					look()
				case w.tx == nil:
					holds[w] = next
					w.begin(next)
					next++
				default:
					end(w, rng.IntN(5) > 0)
				}
			}
			for _, w := range writers {
				if w.tx != nil {
					end(w, true)
				}
			}
			look()
			require.Len(t, seen, len(committed))
			for id := range committed {
				require.Equal(t, 1, seen[id], "transaction of job %d", id)
			}
		})
	}
}

func TestFeedReadsBeyondOnePage(t *testing.T) {
	t.Parallel()
	s, dsn := openDSN(t)
	w, c := newWriter(t, dsn), cursor(t, s)
	var want []api.JobID
	for id := api.JobID(1); id <= 25; id++ {
		w.begin(id)
		w.commit()
		want = append(want, id)
	}
	for _, limit := range []int{1, 2, 24, 25, 26} {
		ids, _ := read(t, s, c, limit)
		require.Equal(t, want, ids, "pages of %d", limit)
	}
	w.begin(3)
	w.commit()
	ids, _ := read(t, s, c, 10)
	require.Equal(t, want, ids, "touched twice, named once")
}

func TestFeedGoneAndBadCursors(t *testing.T) {
	t.Parallel()
	s := open(t)
	old := cursor(t, s)
	_, err := s.Feed(t.Context(), api.Cursor{Epoch: old.Epoch, Snapshot: "nonsense"}, 0)
	require.Equal(t, api.CodeInvalid, api.CodeOf(err), "%v", err)

	require.NoError(t, s.NewEpoch(t.Context()))
	_, err = s.Feed(t.Context(), old, 0)
	require.ErrorIs(t, err, api.ErrGone)

	page, err := s.Feed(t.Context(), api.Cursor{}, 0)
	require.NoError(t, err)
	require.NotEqual(t, old.Epoch, page.Cursor.Epoch)
	require.NotEmpty(t, page.Cursor.Snapshot)
}

// It has a server of its own: transactions of other databases in the cursor make it more careful.
func TestKeeperDropsOldFeed(t *testing.T) {
	t.Parallel()
	dsn := pgtest.Start(t, pgtest.Options{}).DSN("postgres")
	s := connect(t, dsn)
	ctx := t.Context()
	require.NoError(t, s.RunKeeper(ctx, noon))
	require.NoError(t, s.RunKeeper(ctx, noon), "it is idempotent")
	w, open := newWriter(t, dsn), newWriter(t, dsn)
	before := cursor(t, s)
	w.begin(1)
	w.commit()
	seen := cursor(t, s)

	day := noon.Add((store.FeedHours + 2) * time.Hour)
	require.NoError(t, s.RunKeeper(ctx, noon.Add(time.Hour)))
	ids, _ := read(t, s, before, 0)
	require.Equal(t, []api.JobID{1}, ids, "young enough")

	_, err := open.conn.Exec(ctx, "BEGIN; SELECT pg_current_xact_id()") // a stranger that is still open
	require.NoError(t, err)
	withStranger := cursor(t, s)
	require.NoError(t, s.RunKeeper(ctx, day))
	_, err = s.Feed(ctx, before, 0)
	require.ErrorIs(t, err, api.ErrGone, "its row is dropped")
	for _, c := range []api.Cursor{seen, withStranger} {
		ids, _ = read(t, s, c, 0)
		require.Empty(t, ids, "who has seen it lost nothing")
	}
	require.Equal(t, 0, count(t, w.conn, "SELECT count(*) FROM feed"))
	require.Equal(t, 4, count(t, w.conn,
		`SELECT count(*) FROM pg_class
		WHERE relkind = 'r' AND relname >= 'feed_20310305' AND relname < 'feed_3'`))
}

// Rows outside of every partition are trimmed too, and cursors know.
func TestKeeperTrimsTheDefaultPartition(t *testing.T) {
	t.Parallel()
	s, dsn := openDSN(t)
	w, before := newWriter(t, dsn), cursor(t, s)
	w.begin(1)
	w.commit()
	require.Equal(t, 1, count(t, w.conn, "SELECT count(*) FROM feed_default"))
	require.NoError(t, s.RunKeeper(t.Context(), noon.Add((store.FeedHours+1)*time.Hour)))
	require.Equal(t, 0, count(t, w.conn, "SELECT count(*) FROM feed_default"))
	_, err := s.Feed(t.Context(), before, 0)
	require.ErrorIs(t, err, api.ErrGone)
}

// A keeper that meets an open transaction gives up soon instead of making all writers wait.
func TestKeeperDoesNotWait(t *testing.T) {
	t.Parallel()
	s, dsn := openDSN(t)
	ctx := t.Context()
	require.NoError(t, s.RunKeeper(ctx, noon))
	w := newWriter(t, dsn)
	w.begin(1)
	day := noon.Add((store.FeedHours + 2) * time.Hour)
	require.ErrorIs(t, s.RunKeeper(ctx, day), api.ErrUnavailable)
	w.commit()
	require.NoError(t, s.RunKeeper(ctx, day))
}

func TestKeeperMakesPodPartitionsAhead(t *testing.T) {
	t.Parallel()
	s, dsn := openDSN(t)
	w := newWriter(t, dsn)
	_, err := w.conn.Exec(t.Context(), "SELECT setval('job_id', 45000000)")
	require.NoError(t, err)
	require.NoError(t, s.RunKeeper(t.Context(), noon))
	require.Equal(
		t, 7, count(t, w.conn, "SELECT count(*) FROM pg_inherits WHERE inhparent = 'pod'::regclass"),
	)
}

func count(t testing.TB, c *pgx.Conn, sql string) (n int) {
	t.Helper()
	require.NoError(t, c.QueryRow(t.Context(), sql).Scan(&n))
	return n
}
