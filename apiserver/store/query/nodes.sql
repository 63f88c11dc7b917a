-- name: LockNode :one
SELECT node.* FROM node WHERE node.name = @name FOR NO KEY UPDATE;

-- name: InsertNode :one
INSERT INTO node (name, spec, inventory, conditions, boot_id, kubelet_version, registered_at, state, since)
VALUES (@name, @spec, @inventory, @conditions, @boot_id, @kubelet_version, @registered_at, 'ready', @registered_at)
ON CONFLICT (name) DO NOTHING
RETURNING node.*;

-- name: UpdateNodeReport :one
UPDATE node SET generation = @generation, inventory = @inventory, conditions = @conditions,
       boot_id = @boot_id, kubelet_version = @kubelet_version
WHERE node.name = @name
RETURNING node.*;

-- name: UpdateNodeSpec :one
UPDATE node SET spec = @spec, generation = node.generation + 1
WHERE node.name = @name AND node.generation = @generation
RETURNING node.*;

-- name: GetNode :one
SELECT node.* FROM node WHERE node.name = @name;

-- name: ListNodes :many
SELECT node.* FROM node WHERE node.name > @after ORDER BY node.name LIMIT @max_rows;

-- name: NodesByNames :many
SELECT node.* FROM node WHERE node.name = ANY(@names::text[]) ORDER BY node.name LIMIT @max_rows;

-- name: DeleteNode :execrows
DELETE FROM node WHERE node.name = @name
  AND NOT EXISTS (SELECT FROM pod WHERE pod.node = @name AND pod.released_at IS NULL);

-- name: RenewLeases :exec
INSERT INTO node_lease (node, boot_id, seq)
SELECT u.node, u.boot_id, u.seq
FROM (SELECT unnest(@nodes::text[]) AS node, unnest(@boot_ids::text[]) AS boot_id,
             unnest(@seqs::bigint[]) AS seq) AS u
WHERE EXISTS (SELECT FROM node WHERE node.name = u.node)
ORDER BY u.node
ON CONFLICT (node) DO UPDATE SET boot_id = excluded.boot_id, seq = excluded.seq;

-- name: Leases :many
SELECT node_lease.* FROM node_lease ORDER BY node_lease.node LIMIT @max_rows;
