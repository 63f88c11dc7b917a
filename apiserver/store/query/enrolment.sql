-- name: PutEnrolment :exec
INSERT INTO enrolment (node, id) VALUES (@node, @id)
ON CONFLICT (node) DO UPDATE SET id = excluded.id;

-- A deletion of the node, or another join under its name, waits for whoever registers under the old one.
-- name: ShareEnrolment :one
SELECT enrolment.id FROM enrolment WHERE enrolment.node = @node FOR SHARE;

-- name: DeleteEnrolment :exec
DELETE FROM enrolment WHERE enrolment.node = @node;

-- name: Enrolments :many
SELECT u.name::text AS node, COALESCE(enrolment.id, '')::text AS id,
       EXISTS (SELECT FROM node WHERE node.name = u.name) AS known
FROM unnest(@nodes::text[]) AS u (name)
LEFT JOIN enrolment ON enrolment.node = u.name
ORDER BY u.name LIMIT @max_rows;
