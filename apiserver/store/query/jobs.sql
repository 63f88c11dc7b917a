-- One statement, one round trip: the job, its payload, its dependencies, the event and the feed
-- row. No row comes back when the request was served before.
-- name: SubmitJob :one
WITH new AS (
    INSERT INTO job (id, request_id, user_name, account, name, spec, submitted_at, reason, waiting, counts)
    VALUES (nextval('job_id'), sqlc.narg('request_id'), @user_name, @account, @name, @spec, @submitted_at, @reason,
            @waiting, @counts)
    ON CONFLICT (request_id) DO NOTHING
    RETURNING job.id, job.user_name, job.submitted_at
), payload AS (
    INSERT INTO job_payload (job_id, script, environment, login_env)
    SELECT new.id, @script, @environment, @login_env FROM new
), dependency AS (
    INSERT INTO job_dependency (job_id, position, kind, on_job, on_index, delay_seconds)
    SELECT new.id, d.position, d.kind, d.on_job, d.on_index, d.delay_seconds
    FROM new
    CROSS JOIN (
        SELECT unnest(@positions::smallint[]) AS position, unnest(@kinds::text[]) AS kind,
               unnest(@on_jobs::bigint[]) AS on_job, unnest(@on_indices::bigint[]) AS on_index,
               unnest(@delays::bigint[]) AS delay_seconds
    ) AS d
), history AS (
    INSERT INTO event (at, kind, object, reason, message, actor)
    SELECT new.submitted_at, 'job', new.id::text, 'submitted', 'submitted', new.user_name FROM new
), fed AS (
    INSERT INTO feed (at, touched)
    SELECT new.submitted_at, jsonb_build_object('jobs', jsonb_build_array(new.id)) FROM new
)
SELECT new.id FROM new;

-- name: JobByRequest :one
SELECT job.* FROM job WHERE job.request_id = @request_id;

-- name: GetJob :one
SELECT job.* FROM job WHERE job.id = @id;

-- name: LockJob :one
SELECT job.* FROM job WHERE job.id = @id FOR NO KEY UPDATE;

-- name: JobsByIDs :many
SELECT job.* FROM job WHERE job.id = ANY(@ids::bigint[]) ORDER BY job.id LIMIT @max_rows;

-- name: OpenJobs :many
SELECT job.* FROM job WHERE job.ended_at IS NULL ORDER BY job.id LIMIT @max_rows;

-- name: UpdateJobSpec :exec
UPDATE job SET spec = @spec, name = @name, account = @account, generation = job.generation + 1
WHERE job.id = @id AND job.generation = @generation AND job.ended_at IS NULL;

-- name: WantCancel :execrows
UPDATE job SET cancel_wanted = true, cancel_by = @cancel_by, generation = job.generation + 1
WHERE job.id = @id AND job.generation = @generation AND job.ended_at IS NULL AND NOT job.cancel_wanted;

-- name: WantRequeue :execrows
UPDATE job SET requeue_wanted = job.requeue_wanted + 1, generation = job.generation + 1
WHERE job.id = @id AND job.generation = @generation AND job.ended_at IS NULL;

-- name: RaiseJobGeneration :execrows
UPDATE job SET generation = job.generation + 1
WHERE job.id = @id AND job.generation = @generation AND job.ended_at IS NULL;

-- name: WantIndexCancel :exec
INSERT INTO job_index (job_id, ordinal, idx, cancel_wanted)
SELECT @job_id, u.ordinal, u.idx, true
FROM (SELECT unnest(@ordinals::bigint[]) AS ordinal, unnest(@indices::bigint[]) AS idx) AS u
ON CONFLICT (job_id, ordinal, rank) DO UPDATE SET cancel_wanted = true;

-- A requeue is due while requeue_wanted differs from requeue_seen.
-- name: WantIndexRequeue :exec
INSERT INTO job_index (job_id, ordinal, idx, requeue_wanted)
SELECT @job_id, u.ordinal, u.idx, true
FROM (SELECT unnest(@ordinals::bigint[]) AS ordinal, unnest(@indices::bigint[]) AS idx) AS u
ON CONFLICT (job_id, ordinal, rank) DO UPDATE SET requeue_wanted = NOT job_index.requeue_seen;

-- name: HoldIndices :exec
INSERT INTO job_index (job_id, ordinal, idx, held)
SELECT @job_id, u.ordinal, u.idx, true
FROM (SELECT unnest(@ordinals::bigint[]) AS ordinal, unnest(@indices::bigint[]) AS idx) AS u
ON CONFLICT (job_id, ordinal, rank) DO UPDATE SET held = true;

-- name: ReleaseIndices :exec
UPDATE job_index SET held = false
WHERE job_index.job_id = @job_id AND job_index.held
  AND (@all_of_them::boolean OR job_index.ordinal = ANY(@ordinals::bigint[]));

-- name: GetPayload :one
SELECT job_payload.* FROM job_payload WHERE job_payload.job_id = @job_id;

-- name: JobIndices :many
SELECT job_index.* FROM job_index
WHERE job_index.job_id = ANY(@ids::bigint[])
ORDER BY job_index.job_id, job_index.ordinal, job_index.rank LIMIT @max_rows;

-- name: Dependencies :many
SELECT sqlc.embed(d), o.state AS on_state, o.started_at AS on_started_at, o.ended_at AS on_ended_at
FROM job_dependency AS d
LEFT JOIN job AS o ON o.id = d.on_job
WHERE d.job_id = ANY(@ids::bigint[])
ORDER BY d.job_id, d.position LIMIT @max_rows;

-- The jobs that wait for some of these.
-- name: Dependents :many
SELECT DISTINCT d.job_id FROM job_dependency AS d
WHERE d.on_job = ANY(@ids::bigint[]) AND d.verdict = 'open'
ORDER BY d.job_id LIMIT @max_rows;
