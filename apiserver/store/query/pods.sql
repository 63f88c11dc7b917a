-- Lists of pod keys come as four arrays of equal length.

-- name: PodsByKeys :many
SELECT sqlc.embed(p), (j.spec->>'time_limit_seconds')::bigint AS time_limit_seconds
FROM (SELECT unnest(@owners::bigint[]) AS owner, unnest(@indices::bigint[]) AS idx,
             unnest(@ranks::integer[]) AS rank, unnest(@attempts::integer[]) AS attempt) AS k
JOIN pod AS p ON p.owner = k.owner AND p.idx = k.idx AND p.rank = k.rank AND p.attempt = k.attempt
JOIN job AS j ON j.id = p.owner
ORDER BY p.owner, p.idx, p.rank, p.attempt LIMIT @max_rows;

-- name: LivePods :many
SELECT sqlc.embed(p), (j.spec->>'time_limit_seconds')::bigint AS time_limit_seconds
FROM pod AS p
JOIN job AS j ON j.id = p.owner
WHERE p.released_at IS NULL
ORDER BY p.owner, p.idx, p.rank, p.attempt LIMIT @max_rows;

-- name: LivePodsOfJobs :many
SELECT sqlc.embed(p), (j.spec->>'time_limit_seconds')::bigint AS time_limit_seconds
FROM pod AS p
JOIN job AS j ON j.id = p.owner
WHERE p.owner = ANY(@ids::bigint[]) AND p.released_at IS NULL
ORDER BY p.owner, p.idx, p.rank, p.attempt LIMIT @max_rows;

-- What a node needs to know of its pods.
-- name: NodeAssignments :many
SELECT sqlc.embed(p), (j.spec->>'time_limit_seconds')::bigint AS time_limit_seconds,
       j.generation AS job_generation,
       ARRAY(SELECT r.role->>'name' FROM jsonb_array_elements(j.spec->'roles') AS r(role))::text[] AS role_names
FROM pod AS p
JOIN job AS j ON j.id = p.owner
WHERE p.node = @node AND p.released_at IS NULL
ORDER BY p.owner, p.idx, p.rank, p.attempt LIMIT @max_rows;

-- name: AssignmentsByKeys :many
SELECT sqlc.embed(p), (j.spec->>'time_limit_seconds')::bigint AS time_limit_seconds,
       j.generation AS job_generation,
       ARRAY(SELECT r.role->>'name' FROM jsonb_array_elements(j.spec->'roles') AS r(role))::text[] AS role_names
FROM (SELECT unnest(@owners::bigint[]) AS owner, unnest(@indices::bigint[]) AS idx,
             unnest(@ranks::integer[]) AS rank, unnest(@attempts::integer[]) AS attempt) AS k
JOIN pod AS p ON p.owner = k.owner AND p.idx = k.idx AND p.rank = k.rank AND p.attempt = k.attempt
JOIN job AS j ON j.id = p.owner
ORDER BY p.owner, p.idx, p.rank, p.attempt LIMIT @max_rows;

-- The last attempt of some array tasks.
-- name: LastAttempts :many
SELECT DISTINCT ON (p.owner, p.idx) sqlc.embed(p)
FROM (SELECT unnest(@owners::bigint[]) AS owner, unnest(@indices::bigint[]) AS idx) AS k
JOIN pod AS p ON p.owner = k.owner AND p.idx = k.idx
ORDER BY p.owner, p.idx, p.attempt DESC LIMIT @max_rows;

-- name: PodByTask :one
SELECT pod.owner, pod.idx, pod.rank FROM pod WHERE pod.task_id = @task_id
ORDER BY pod.owner, pod.attempt LIMIT 1;

-- name: CompletedOrdinals :one
SELECT COALESCE(range_agg(int8range(pod.ordinal, pod.ordinal + 1)), '{}')::int8multirange AS ordinals
FROM pod WHERE pod.owner = @owner AND pod.state = 'completed';

-- Reports of a node about its pods, one a pod. The edges are those of the pod's state machine.
-- The reports that no longer make sense come back.
-- name: ApplyReports :many
WITH r AS (
    SELECT unnest(@owners::bigint[]) AS owner, unnest(@indices::bigint[]) AS idx,
           unnest(@ranks::integer[]) AS rank, unnest(@attempts::integer[]) AS attempt,
           unnest(@states::text[]) AS state, unnest(@ended_at::timestamptz[]) AS ended_at,
           unnest(@started_at::timestamptz[]) AS started_at, unnest(@exits::text[]) AS exit
), edge AS (
    SELECT unnest(@edges_from::text[]) AS from_state, unnest(@edges_to::text[]) AS to_state
), locked AS (
    SELECT p.owner, p.idx, p.rank, p.attempt, p.state
    FROM r JOIN pod AS p ON p.owner = r.owner AND p.idx = r.idx AND p.rank = r.rank AND p.attempt = r.attempt
    WHERE p.node = @node
    ORDER BY p.owner, p.idx, p.rank, p.attempt
    FOR NO KEY UPDATE OF p
), changed AS (
    UPDATE pod SET state = r.state,
           started_at = COALESCE(pod.started_at, NULLIF(r.started_at, '0001-01-01T00:00:00Z'::timestamptz)),
           ended_at = NULLIF(r.ended_at, '0001-01-01T00:00:00Z'::timestamptz),
           exit = COALESCE(NULLIF(r.exit, '')::jsonb, pod.exit)
    FROM r
    JOIN locked AS l ON l.owner = r.owner AND l.idx = r.idx AND l.rank = r.rank AND l.attempt = r.attempt
    JOIN edge AS e ON e.from_state = l.state AND e.to_state = r.state
    WHERE pod.owner = r.owner AND pod.idx = r.idx AND pod.rank = r.rank AND pod.attempt = r.attempt
    RETURNING pod.owner, pod.idx, pod.rank, pod.attempt
), fed AS (
    INSERT INTO feed (at, touched)
    SELECT @at, jsonb_build_object('jobs', jsonb_agg(DISTINCT c.owner), 'pods', jsonb_agg(
        jsonb_build_object('owner', c.owner, 'index', c.idx, 'rank', c.rank, 'attempt', c.attempt)))
    FROM changed AS c HAVING count(*) > 0
)
SELECT r.owner::bigint AS owner, r.idx::bigint AS idx, r.rank::integer AS rank, r.attempt::integer AS attempt
FROM r
LEFT JOIN locked AS l ON l.owner = r.owner AND l.idx = r.idx AND l.rank = r.rank AND l.attempt = r.attempt
LEFT JOIN edge AS e ON e.from_state = l.state AND e.to_state = r.state
WHERE l.state IS NULL OR (l.state <> r.state AND e.to_state IS NULL)
ORDER BY 1, 2, 3, 4;

-- name: LivePodKeysOfJob :many
SELECT pod.owner, pod.idx, pod.rank, pod.attempt, pod.node FROM pod
WHERE pod.owner = @owner AND pod.released_at IS NULL AND pod.ended_at IS NULL
ORDER BY pod.idx, pod.rank, pod.attempt LIMIT @max_rows;

-- name: AddSignals :many
INSERT INTO pod_signal (owner, idx, rank, attempt, node, signal, batch_only, created_at)
SELECT p.owner, p.idx, p.rank, p.attempt, p.node, @signal, @batch_only, @at
FROM (SELECT unnest(@owners::bigint[]) AS owner, unnest(@indices::bigint[]) AS idx,
             unnest(@ranks::integer[]) AS rank, unnest(@attempts::integer[]) AS attempt) AS k
JOIN pod AS p ON p.owner = k.owner AND p.idx = k.idx AND p.rank = k.rank AND p.attempt = k.attempt
WHERE p.ended_at IS NULL
ORDER BY p.owner, p.idx, p.rank, p.attempt
RETURNING pod_signal.id, pod_signal.node;

-- name: NodeSignals :many
SELECT pod_signal.* FROM pod_signal WHERE pod_signal.node = @node ORDER BY pod_signal.id LIMIT @max_rows;

-- name: AckSignals :exec
DELETE FROM pod_signal WHERE pod_signal.node = @node AND pod_signal.id = ANY(@ids::bigint[]);

-- name: DropOldSignals :exec
DELETE FROM pod_signal WHERE pod_signal.created_at < @before;
