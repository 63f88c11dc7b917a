-- name: InsertMeta :exec
INSERT INTO meta (cluster_name, epoch, created_at) VALUES (@cluster_name, @epoch, @created_at)
ON CONFLICT (id) DO NOTHING;

-- name: GetMeta :one
SELECT m.cluster_name, m.epoch FROM meta AS m;

-- name: SetEpoch :exec
UPDATE meta SET epoch = @epoch WHERE meta.id = 1;

-- name: GetAuthority :one
SELECT authority.* FROM authority WHERE authority.id = 1;

-- name: InsertAuthority :exec
INSERT INTO authority (certificate, sealed_key, created_at) VALUES (@certificate, @sealed_key, @created_at)
ON CONFLICT (id) DO NOTHING;

-- name: PutServer :exec
INSERT INTO server (id, url, version, started_at) VALUES (@id, @url, @version, @started_at)
ON CONFLICT (id) DO UPDATE SET url = excluded.url, version = excluded.version, started_at = excluded.started_at,
    beat = server.beat + 1;

-- name: BeatServer :execrows
UPDATE server SET beat = server.beat + 1 WHERE server.id = @id;

-- name: ListServers :many
SELECT server.* FROM server ORDER BY server.started_at DESC, server.id LIMIT @max_rows;

-- name: DeleteServer :exec
DELETE FROM server WHERE server.id = @id;
