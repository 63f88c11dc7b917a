-- Lists of pod keys come as four arrays of equal length. The job of a pod that is looked up by its key is
-- read behind a LIMIT: else, as long as a table has no statistics, the planner starts from the job and
-- reads all of its pods for each key.

-- name: PodsByKeys :many
SELECT sqlc.embed(p), (j.spec->>'time_limit_seconds')::bigint AS time_limit_seconds
FROM (SELECT unnest(@owners::bigint[]) AS owner, unnest(@indices::bigint[]) AS idx,
             unnest(@ranks::integer[]) AS rank, unnest(@attempts::integer[]) AS attempt) AS k
CROSS JOIN LATERAL (SELECT job.spec, job.generation FROM job WHERE job.id = k.owner LIMIT 1) AS j
JOIN pod AS p ON p.owner = k.owner AND p.idx = k.idx AND p.rank = k.rank AND p.attempt = k.attempt
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
CROSS JOIN LATERAL (SELECT job.spec, job.generation FROM job WHERE job.id = k.owner LIMIT 1) AS j
JOIN pod AS p ON p.owner = k.owner AND p.idx = k.idx AND p.rank = k.rank AND p.attempt = k.attempt
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

-- Reports of a node about its pods, one a pod. The edges are those of the pod's state machine. The
-- node's pods come back, with whether the report makes no sense (any more). Reports that name no
-- pod of the node are those that don't come back.
-- name: ApplyReports :many
WITH locked AS (
    SELECT p.owner, p.idx, p.rank, p.attempt, p.state AS old_state, r.state, r.ended_at, r.started_at, r.exit
    FROM (SELECT unnest(@owners::bigint[]) AS owner, unnest(@indices::bigint[]) AS idx,
                 unnest(@ranks::integer[]) AS rank, unnest(@attempts::integer[]) AS attempt,
                 unnest(@states::text[]) AS state, unnest(@ended_at::timestamptz[]) AS ended_at,
                 unnest(@started_at::timestamptz[]) AS started_at, unnest(@exits::text[]) AS exit) AS r
    JOIN pod AS p ON p.owner = r.owner AND p.idx = r.idx AND p.rank = r.rank AND p.attempt = r.attempt
    WHERE p.node = @node
    ORDER BY p.owner, p.idx, p.rank, p.attempt
    FOR NO KEY UPDATE OF p
), judged AS (
    SELECT l.*, EXISTS (
        SELECT FROM (SELECT unnest(@edges_from::text[]) AS from_state, unnest(@edges_to::text[]) AS to_state) AS e
        WHERE e.from_state = l.old_state AND e.to_state = l.state) AS allowed
    FROM locked AS l
), changed AS (
    UPDATE pod SET state = j.state,
           started_at = COALESCE(pod.started_at, NULLIF(j.started_at, '0001-01-01T00:00:00Z'::timestamptz)),
           ended_at = NULLIF(j.ended_at, '0001-01-01T00:00:00Z'::timestamptz),
           exit = COALESCE(NULLIF(j.exit, '')::jsonb, pod.exit)
    FROM judged AS j
    WHERE pod.owner = j.owner AND pod.idx = j.idx AND pod.rank = j.rank AND pod.attempt = j.attempt AND j.allowed
    RETURNING pod.owner, pod.idx, pod.rank, pod.attempt
), fed AS (
    INSERT INTO feed (at, touched)
    SELECT @at, jsonb_build_object('jobs', jsonb_agg(DISTINCT c.owner), 'pods', jsonb_agg(
        jsonb_build_object('owner', c.owner, 'index', c.idx, 'rank', c.rank, 'attempt', c.attempt)))
    FROM changed AS c HAVING count(*) > 0
)
SELECT j.owner, j.idx, j.rank, j.attempt, (j.old_state <> j.state AND NOT j.allowed)::boolean AS stale
FROM judged AS j
ORDER BY j.owner, j.idx, j.rank, j.attempt;

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
