-- name: AddEvents :exec
INSERT INTO event (at, kind, object, pod, reason, message, actor)
SELECT u.at, u.kind, u.object, NULLIF(u.pod, '')::jsonb, u.reason, u.message, u.actor
FROM (SELECT unnest(@ats::timestamptz[]) AS at, unnest(@kinds::text[]) AS kind, unnest(@objects::text[]) AS object,
             unnest(@pods::text[]) AS pod, unnest(@reasons::text[]) AS reason,
             unnest(@messages::text[]) AS message, unnest(@actors::text[]) AS actor) AS u;

-- name: ListEvents :many
SELECT event.* FROM event
WHERE event.kind = @kind AND event.object = @object AND event.id > @after
ORDER BY event.id LIMIT @max_rows;
