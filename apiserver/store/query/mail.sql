-- name: CommitMails :exec
INSERT INTO mail (job_id, idx, attempt, event, state, message, at, not_before)
SELECT unnest(@job_ids::bigint[]), unnest(@indices::bigint[]), unnest(@attempts::integer[]), unnest(@events::text[]),
       unnest(@states::text[]), unnest(@messages::text[]), unnest(@ats::timestamptz[]), unnest(@ats::timestamptz[]);

-- name: ClaimMails :many
UPDATE mail SET not_before = @until
WHERE mail.id = ANY(ARRAY(
    SELECT due.id FROM mail AS due WHERE due.not_before <= @now
    ORDER BY due.not_before, due.id LIMIT @max_rows FOR UPDATE SKIP LOCKED))
RETURNING mail.*;

-- name: DeferMail :exec
UPDATE mail SET not_before = @not_before, tries = @tries WHERE mail.id = @id;

-- name: DropMail :exec
DELETE FROM mail WHERE mail.id = @id;
