package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// What the keeper keeps.
const (
	// FeedHours is how long feed rows are kept: a watcher that is away for longer lists again.
	FeedHours = 24
	// feedAheadHours is for how long partitions are made in advance.
	feedAheadHours = 3
	// podPartitionSize is how many owner ids share a partition, podAhead how many partitions of
	// numbers not yet taken there are.
	podPartitionSize = 10_000_000
	podAhead         = 2
	// signalHours is how long a signal waits for a node that does not come.
	signalHours = 1
	// keeperLockTimeout bounds the wait for a table lock: while the keeper waits, writers of that
	// table wait behind it. What it could not get, the next run does.
	keeperLockTimeout = "200ms"
	// feedDefaultMax bounds the feed rows of one clean-up that are in no partition.
	feedDefaultMax = 100_000
)

const hourFormat = "2006010215"

// RunKeeper makes the partitions that are needed soon, and drops what is too old. It is idempotent
// and may run on several servers; call it every few minutes.
func (s *Store) RunKeeper(ctx context.Context, now time.Time) error {
	now = instant(now)
	err := errors.Join(
		s.makePodPartitions(ctx),
		s.makeFeedPartitions(ctx, now),
		s.dropFeed(ctx, now.Add(-FeedHours*time.Hour)),
		s.q.DropOldSignals(ctx, now.Add(-signalHours*time.Hour)),
	)
	return interpretError("keep the tables", err)
}

func (s *Store) makePodPartitions(ctx context.Context) error {
	var last int64
	if err := s.pool.QueryRow(ctx, "SELECT job_id.last_value FROM job_id").Scan(&last); err != nil {
		return fmt.Errorf("read the last job id: %w", err)
	}
	have, err := s.partitions(ctx, "pod")
	if err != nil {
		return err
	}
	for n := int64(0); n <= last/podPartitionSize+podAhead; n++ {
		name := fmt.Sprintf("pod_%d", n)
		if have[name] {
			continue
		}
		sql := fmt.Sprintf(
			"CREATE TABLE %s PARTITION OF pod FOR VALUES FROM (%d) TO (%d) WITH (fillfactor = 70)",
			name, n*podPartitionSize, (n+1)*podPartitionSize)
		if err := s.alter(ctx, sql); err != nil {
			return fmt.Errorf("make partition %s: %w", name, err)
		}
	}
	return nil
}

// makeFeedPartitions makes those of the next hours. An hour whose first rows went into the default
// partition stays there.
func (s *Store) makeFeedPartitions(ctx context.Context, now time.Time) error {
	have, err := s.partitions(ctx, "feed")
	if err != nil {
		return err
	}
	for h := range feedAheadHours + 1 {
		from := now.Truncate(time.Hour).Add(time.Duration(h) * time.Hour)
		name := "feed_" + from.Format(hourFormat)
		if have[name] {
			continue
		}
		sql := fmt.Sprintf("CREATE TABLE %s PARTITION OF feed FOR VALUES FROM ('%s') TO ('%s')", name,
			from.Format(time.RFC3339), from.Add(time.Hour).Format(time.RFC3339))
		if err := s.alter(ctx, sql); err != nil && sqlState(err) != stateCheckViolation {
			return fmt.Errorf("make partition %s: %w", name, err)
		}
	}
	return nil
}

// alter runs a statement that locks a whole table. That another server was faster is fine.
func (s *Store) alter(ctx context.Context, sql string) error {
	err := pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error { return alterIn(ctx, tx, sql) })
	if sqlState(err) == stateDuplicateTable {
		return nil
	}
	return err //nolint:wrapcheck // the caller names the partition
}

func alterIn(ctx context.Context, tx pgx.Tx, sql string) error {
	if _, err := tx.Exec(ctx, "SET LOCAL lock_timeout = '"+keeperLockTimeout+"'"); err != nil {
		return fmt.Errorf("bound the wait: %w", err)
	}
	_, err := tx.Exec(ctx, sql)
	return err //nolint:wrapcheck // the caller names the partition
}

func (s *Store) partitions(ctx context.Context, table string) (map[string]bool, error) {
	rows, err := s.pool.Query(ctx, `SELECT c.relname
		FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
		WHERE i.inhparent = $1::text::regclass ORDER BY c.relname`, table)
	if err != nil {
		return nil, fmt.Errorf("list the partitions of %s: %w", table, err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("list the partitions of %s: %w", table, err)
	}
	set := map[string]bool{}
	addAll(set, names)
	return set, nil
}

// dropFeed drops the partitions that end before the horizon, and old rows of the default one.
func (s *Store) dropFeed(ctx context.Context, horizon time.Time) error {
	have, err := s.partitions(ctx, "feed")
	if err != nil {
		return err
	}
	for _, name := range sortedKeys(have) {
		from, err := time.Parse("feed_"+hourFormat, name)
		if err != nil || from.Add(time.Hour).After(horizon) {
			continue // the default partition, or young enough
		}
		err = pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error { return dropFeedPartition(ctx, tx, name) })
		if err != nil && sqlState(err) != stateUndefinedTable { // dropped by another server
			return fmt.Errorf("drop partition %s: %w", name, err)
		}
	}
	return s.trimFeedDefault(ctx, horizon)
}

// dropFeedPartition notes the highest transaction that is dropped, so that cursors which have not
// seen it are known to be gone. The lock comes first: nobody can add a row after we looked.
func dropFeedPartition(ctx context.Context, tx pgx.Tx, name string) error {
	table := pgx.Identifier{name}.Sanitize()
	if err := alterIn(ctx, tx, "LOCK TABLE feed, "+table+" IN ACCESS EXCLUSIVE MODE"); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `UPDATE meta SET feed_dropped = GREATEST(meta.feed_dropped,
		(SELECT f.xid FROM `+table+` AS f ORDER BY f.xid DESC LIMIT 1))`)
	if err != nil {
		return fmt.Errorf("note what is dropped: %w", err)
	}
	_, err = tx.Exec(ctx, "DROP TABLE "+table)
	return err //nolint:wrapcheck // the caller names the partition
}

func (s *Store) trimFeedDefault(ctx context.Context, horizon time.Time) error {
	_, err := s.pool.Exec(ctx, `WITH old AS (
			DELETE FROM feed_default AS f WHERE f.ctid = ANY(ARRAY(
				SELECT o.ctid FROM feed_default AS o WHERE o.at < $1 ORDER BY o.at LIMIT $2)) RETURNING f.xid
		), highest AS (SELECT o.xid FROM old AS o ORDER BY o.xid DESC LIMIT 1)
		UPDATE meta SET feed_dropped = GREATEST(meta.feed_dropped, h.xid) FROM highest AS h`,
		horizon, feedDefaultMax)
	if err != nil {
		return fmt.Errorf("trim the default partition: %w", err)
	}
	return nil
}
