-- The statements of the leader's batch. Each takes the rows of all jobs of the batch at once.
-- The year 1 stands for "no time" in lists, the empty text for "no value".

-- name: CommitStatus :exec
UPDATE job SET state = u.state, reason = u.reason, message = u.message, waiting = u.waiting, released = u.released,
       counts = u.counts, exit_code = u.exit_code, restarts = u.restarts, requeue_served = u.requeue_served,
       eligible_at = NULLIF(u.eligible_at, '0001-01-01T00:00:00Z'::timestamptz),
       started_at = NULLIF(u.started_at, '0001-01-01T00:00:00Z'::timestamptz),
       ended_at = NULLIF(u.ended_at, '0001-01-01T00:00:00Z'::timestamptz)
FROM (SELECT unnest(@ids::bigint[]) AS id, unnest(@states::text[]) AS state, unnest(@reasons::text[]) AS reason,
             unnest(@messages::text[]) AS message, unnest(@waiting::text[])::int8multirange AS waiting,
             unnest(@released::text[])::int8multirange AS released, unnest(@counts::text[])::jsonb AS counts,
             unnest(@exit_codes::integer[]) AS exit_code, unnest(@restarts::integer[]) AS restarts,
             unnest(@requeue_served::bigint[]) AS requeue_served,
             unnest(@eligible_at::timestamptz[]) AS eligible_at, unnest(@started_at::timestamptz[]) AS started_at,
             unnest(@ended_at::timestamptz[]) AS ended_at) AS u
WHERE job.id = u.id;

-- name: CommitEnds :exec
UPDATE pod SET state = u.state, ended_at = u.ended_at, exit = COALESCE(NULLIF(u.exit, '')::jsonb, pod.exit)
FROM (SELECT unnest(@owners::bigint[]) AS owner, unnest(@indices::bigint[]) AS idx,
             unnest(@ranks::integer[]) AS rank, unnest(@attempts::integer[]) AS attempt,
             unnest(@states::text[]) AS state, unnest(@ended_at::timestamptz[]) AS ended_at,
             unnest(@exits::text[]) AS exit) AS u
WHERE pod.owner = u.owner AND pod.idx = u.idx AND pod.rank = u.rank AND pod.attempt = u.attempt
  AND pod.state IN ('bound', 'running');

-- No condition on released_at: it would tempt Postgres to read all live pods.
-- name: CommitReleases :exec
UPDATE pod SET released_at = COALESCE(pod.released_at, @released_at::timestamptz)
FROM (SELECT unnest(@owners::bigint[]) AS owner, unnest(@indices::bigint[]) AS idx,
             unnest(@ranks::integer[]) AS rank, unnest(@attempts::integer[]) AS attempt) AS u
WHERE pod.owner = u.owner AND pod.idx = u.idx AND pod.rank = u.rank AND pod.attempt = u.attempt;

-- name: CommitStops :exec
UPDATE pod SET stop = u.stop
FROM (SELECT unnest(@owners::bigint[]) AS owner, unnest(@indices::bigint[]) AS idx,
             unnest(@ranks::integer[]) AS rank, unnest(@attempts::integer[]) AS attempt,
             unnest(@stops::text[])::jsonb AS stop) AS u
WHERE pod.owner = u.owner AND pod.idx = u.idx AND pod.rank = u.rank AND pod.attempt = u.attempt
  AND pod.ended_at IS NULL;

-- name: CommitBinds :exec
INSERT INTO pod (owner, idx, rank, attempt, ordinal, task_id, role, node, class, cpu_millis, memory_bytes, cpus, term,
                 bound_at, state)
SELECT unnest(@owners::bigint[]), unnest(@indices::bigint[]), unnest(@ranks::integer[]),
       unnest(@attempts::integer[]), unnest(@ordinals::bigint[]), unnest(@task_ids::bigint[]),
       unnest(@roles::text[]), unnest(@nodes::text[]), unnest(@classes::text[]), unnest(@cpu_millis::bigint[]),
       unnest(@memory_bytes::bigint[]), unnest(@cpus::text[]), @term::bigint, @bound_at::timestamptz, 'bound';

-- name: CommitDroppedIndices :exec
DELETE FROM job_index
USING (SELECT unnest(@job_ids::bigint[]) AS job_id, unnest(@ordinals::bigint[]) AS ordinal) AS u
WHERE job_index.job_id = u.job_id AND job_index.ordinal = u.ordinal;

-- A requeue is served by seeing what is wanted.
-- name: CommitIndices :exec
INSERT INTO job_index AS i (job_id, ordinal, idx, rank, task_id, attempt, retries, not_before, excluded_nodes)
SELECT u.job_id, u.ordinal, u.idx, u.rank, u.task_id, u.attempt, u.retries,
       NULLIF(u.not_before, '0001-01-01T00:00:00Z'::timestamptz),
       ARRAY(SELECT jsonb_array_elements_text(u.excluded::jsonb))
FROM (SELECT unnest(@job_ids::bigint[]) AS job_id, unnest(@ordinals::bigint[]) AS ordinal,
             unnest(@indices::bigint[]) AS idx, unnest(@ranks::integer[]) AS rank,
             unnest(@task_ids::bigint[]) AS task_id, unnest(@attempts::integer[]) AS attempt,
             unnest(@retries::integer[]) AS retries, unnest(@not_before::timestamptz[]) AS not_before,
             unnest(@excluded::text[]) AS excluded) AS u
ON CONFLICT (job_id, ordinal, rank) DO UPDATE SET task_id = excluded.task_id, attempt = excluded.attempt,
    retries = excluded.retries, not_before = excluded.not_before, excluded_nodes = excluded.excluded_nodes;

-- name: CommitRequeuesSeen :exec
UPDATE job_index SET requeue_seen = job_index.requeue_wanted
FROM (SELECT unnest(@job_ids::bigint[]) AS job_id, unnest(@ordinals::bigint[]) AS ordinal) AS u
WHERE job_index.job_id = u.job_id AND job_index.ordinal = u.ordinal;

-- name: CommitDependencies :exec
UPDATE job_dependency SET verdict = u.verdict
FROM (SELECT unnest(@job_ids::bigint[]) AS job_id, unnest(@positions::smallint[]) AS position,
             unnest(@verdicts::text[]) AS verdict) AS u
WHERE job_dependency.job_id = u.job_id AND job_dependency.position = u.position
  AND job_dependency.verdict = 'open';

-- name: CommitNodes :exec
UPDATE node SET state = u.state, since = u.since
FROM (SELECT unnest(@names::text[]) AS name, unnest(@states::text[]) AS state,
             unnest(@since::timestamptz[]) AS since) AS u
WHERE node.name = u.name;
