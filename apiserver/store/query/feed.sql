-- name: WriteFeed :exec
INSERT INTO feed (at, touched) VALUES (@at, @touched);

-- One row at least: the snapshot of this very statement, and whether rows that the cursor has not
-- seen were dropped. A transaction that was open at the cursor and is still open has lost nothing.
-- name: ReadFeed :many
SELECT m.epoch, pg_current_snapshot()::text AS snapshot,
       (pg_snapshot_xmax(CAST(sqlc.arg('since')::text AS pg_snapshot)) <= m.feed_dropped OR EXISTS (
           SELECT FROM pg_snapshot_xip(CAST(sqlc.arg('since')::text AS pg_snapshot)) AS x(xid)
           WHERE x.xid <= m.feed_dropped AND pg_visible_in_snapshot(x.xid, pg_current_snapshot())
       ))::boolean AS gone,
       COALESCE(f.xid::text, '')::text AS xid, COALESCE(f.touched, '{}')::jsonb AS touched
FROM meta AS m
LEFT JOIN LATERAL (
    SELECT feed.xid, feed.touched FROM feed
    WHERE feed.xid >= pg_snapshot_xmin(CAST(sqlc.arg('since')::text AS pg_snapshot)) AND feed.xid > CAST(sqlc.arg('after')::text AS xid8)
      AND NOT pg_visible_in_snapshot(feed.xid, CAST(sqlc.arg('since')::text AS pg_snapshot))
    ORDER BY feed.xid LIMIT @max_rows
) AS f ON true
ORDER BY f.xid;

-- name: CurrentCursor :one
SELECT m.epoch, pg_current_snapshot()::text AS snapshot FROM meta AS m;
