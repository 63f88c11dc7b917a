package store

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/apiserver/store/internal/db"
)

// Limits of reading the feed.
const (
	// feedPageDefault is how many feed rows one statement reads.
	feedPageDefault = 1000
	// feedTouchedMax bounds what one read gathers in memory: who is further behind lists again.
	feedTouchedMax = 500_000
)

// FeedPage is what was touched since a cursor, each thing once, and the cursor after it.
type FeedPage struct {
	Touched api.Touched
	Cursor  api.Cursor
}

// CurrentCursor is the position of this moment.
func (s *Store) CurrentCursor(ctx context.Context) (api.Cursor, error) {
	row, err := s.q.CurrentCursor(ctx)
	if err != nil {
		return api.Cursor{}, interpretError("read the feed's position", err)
	}
	return api.Cursor{Epoch: row.Epoch, Snapshot: row.Snapshot}, nil
}

// Feed reads everything that was committed since the cursor, in one snapshot, in pages of at most
// limit rows (0 means the default). It never waits. An empty cursor gives the current one. ErrGone
// means that the cursor is of another epoch, too old, or too far behind.
func (s *Store) Feed(ctx context.Context, since api.Cursor, limit int) (FeedPage, error) {
	if since == (api.Cursor{}) {
		cursor, err := s.CurrentCursor(ctx)
		return FeedPage{Cursor: cursor}, err
	}
	if limit <= 0 {
		limit = feedPageDefault
	}
	r := feedReader{since: since, limit: int32(limit), touched: newTouchedSet()}
	// A single statement has a snapshot of its own, and nearly always it is enough.
	more, err := r.page(ctx, s.q)
	if err == nil && more {
		r = feedReader{since: since, limit: int32(limit), touched: newTouchedSet()}
		err = s.snapshot(ctx, "read the feed", func(q *db.Queries) error { return r.all(ctx, q) })
	}
	if err != nil {
		return FeedPage{}, interpretError("read the feed", err)
	}
	return FeedPage{Touched: r.touched.list(), Cursor: r.cursor}, nil
}

// Next is Feed with the default page, as subscribers take it.
func (s *Store) Next(ctx context.Context, since api.Cursor) (api.Touched, api.Cursor, error) {
	page, err := s.Feed(ctx, since, 0)
	return page.Touched, page.Cursor, err
}

// feedReader gathers pages. All of them must be read in one snapshot.
type feedReader struct {
	since   api.Cursor
	limit   int32
	after   string // the last row's transaction
	touched *touchedSet
	cursor  api.Cursor
}

func (r *feedReader) all(ctx context.Context, q *db.Queries) error {
	for {
		more, err := r.page(ctx, q)
		if err != nil || !more {
			return err
		}
		if r.touched.size() > feedTouchedMax {
			return api.Errorf(
				api.CodeGone, "more than %d things changed since the cursor; list again", feedTouchedMax,
			)
		}
	}
}

// page reads one page and says whether there may be more.
func (r *feedReader) page(ctx context.Context, q *db.Queries) (more bool, err error) {
	after := r.after
	if after == "" {
		after = "0"
	}
	rows, err := q.ReadFeed(ctx, db.ReadFeedParams{Since: r.since.Snapshot, After: after, MaxRows: r.limit})
	if err != nil {
		return false, badCursor(err)
	}
	if len(rows) == 0 {
		return false, errNoMeta
	}
	if err := r.check(rows[0]); err != nil {
		return false, err
	}
	r.cursor = api.Cursor{Epoch: rows[0].Epoch, Snapshot: rows[0].Snapshot}
	for _, row := range rows {
		if err := r.take(row); err != nil {
			return false, err
		}
	}
	// An empty page is one row without a transaction, which must not count as a full page of one.
	return len(rows) == int(r.limit) && rows[0].Xid != "", nil
}

func (r *feedReader) check(row db.ReadFeedRow) error {
	if row.Epoch != r.since.Epoch {
		return api.Errorf(api.CodeGone, "the cursor is from before the database was restored; list again")
	}
	if row.Gone {
		return api.Errorf(api.CodeGone, "the cursor is older than the feed that is kept; list again")
	}
	return nil
}

// take merges one row. The row of an empty page has no transaction.
func (r *feedReader) take(row db.ReadFeedRow) error {
	if row.Xid == "" {
		return nil
	}
	var t api.Touched
	if err := json.Unmarshal(row.Touched, &t); err != nil {
		return fmt.Errorf("read the feed row of transaction %s: %w", row.Xid, err)
	}
	r.after = row.Xid
	r.touched.add(t)
	return nil
}

var errNoMeta = api.Errorf(api.CodeUnavailable, "the database is not set up yet; run the migrations")

// badCursor tells a snapshot that somebody made up from other trouble.
func badCursor(err error) error {
	if state := sqlState(err); state == "22P02" {
		return api.Errorf(api.CodeInvalid, "the cursor can't be read; use one that a watch gave: %w", err)
	}
	return err
}

// snapshotCursor is the cursor of the snapshot that q works on.
func snapshotCursor(ctx context.Context, q *db.Queries) (api.Cursor, error) {
	row, err := q.CurrentCursor(ctx)
	if err == pgx.ErrNoRows { //nolint:errorlint // sqlc returns it bare
		return api.Cursor{}, errNoMeta
	}
	return api.Cursor{Epoch: row.Epoch, Snapshot: row.Snapshot}, err
}
