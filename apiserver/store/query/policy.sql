-- Accounts, users, QOS and partitions have the same shape: a name and a spec.

-- name: GetAccount :one
SELECT account.* FROM account WHERE account.name = @name;

-- name: ListAccounts :many
SELECT account.* FROM account WHERE account.name > @after ORDER BY account.name LIMIT @max_rows;

-- name: AccountsByNames :many
SELECT account.* FROM account WHERE account.name = ANY(@names::text[]) ORDER BY account.name LIMIT @max_rows;

-- name: InsertAccount :one
INSERT INTO account (name, spec) VALUES (@name, @spec)
ON CONFLICT (name) DO NOTHING
RETURNING account.*;

-- name: UpdateAccount :one
UPDATE account SET spec = @spec, generation = account.generation + 1
WHERE account.name = @name AND (@generation::bigint = 0 OR account.generation = @generation::bigint)
RETURNING account.*;

-- name: DeleteAccount :execrows
DELETE FROM account WHERE account.name = @name;

-- name: GetUser :one
SELECT users.* FROM users WHERE users.name = @name;

-- name: ListUsers :many
SELECT users.* FROM users WHERE users.name > @after ORDER BY users.name LIMIT @max_rows;

-- name: UsersByNames :many
SELECT users.* FROM users WHERE users.name = ANY(@names::text[]) ORDER BY users.name LIMIT @max_rows;

-- name: InsertUser :one
INSERT INTO users (name, spec) VALUES (@name, @spec)
ON CONFLICT (name) DO NOTHING
RETURNING users.*;

-- name: UpdateUser :one
UPDATE users SET spec = @spec, generation = users.generation + 1
WHERE users.name = @name AND (@generation::bigint = 0 OR users.generation = @generation::bigint)
RETURNING users.*;

-- name: DeleteUser :execrows
DELETE FROM users WHERE users.name = @name;

-- name: GetQOS :one
SELECT qos.* FROM qos WHERE qos.name = @name;

-- name: ListQOSes :many
SELECT qos.* FROM qos WHERE qos.name > @after ORDER BY qos.name LIMIT @max_rows;

-- name: QOSesByNames :many
SELECT qos.* FROM qos WHERE qos.name = ANY(@names::text[]) ORDER BY qos.name LIMIT @max_rows;

-- name: InsertQOS :one
INSERT INTO qos (name, spec) VALUES (@name, @spec)
ON CONFLICT (name) DO NOTHING
RETURNING qos.*;

-- name: UpdateQOS :one
UPDATE qos SET spec = @spec, generation = qos.generation + 1
WHERE qos.name = @name AND (@generation::bigint = 0 OR qos.generation = @generation::bigint)
RETURNING qos.*;

-- name: DeleteQOS :execrows
DELETE FROM qos WHERE qos.name = @name;

-- name: GetPartition :one
SELECT partition.* FROM partition WHERE partition.name = @name;

-- name: ListPartitions :many
SELECT partition.* FROM partition WHERE partition.name > @after ORDER BY partition.name LIMIT @max_rows;

-- name: PartitionsByNames :many
SELECT partition.* FROM partition WHERE partition.name = ANY(@names::text[]) ORDER BY partition.name LIMIT @max_rows;

-- name: InsertPartition :one
INSERT INTO partition (name, spec) VALUES (@name, @spec)
ON CONFLICT (name) DO NOTHING
RETURNING partition.*;

-- name: UpdatePartition :one
UPDATE partition SET spec = @spec, generation = partition.generation + 1
WHERE partition.name = @name AND (@generation::bigint = 0 OR partition.generation = @generation::bigint)
RETURNING partition.*;

-- name: DeletePartition :execrows
DELETE FROM partition WHERE partition.name = @name;
