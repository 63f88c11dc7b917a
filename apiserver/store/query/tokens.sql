-- name: CreateToken :exec
INSERT INTO token (id, use, secret_hash, user_name, comment, created_by, created_at, expires_at)
VALUES (@id, @use, @secret_hash, @user_name, @comment, @created_by, @created_at, @expires_at);

-- name: GetToken :one
SELECT token.* FROM token WHERE token.id = @id;

-- name: TokenByHash :one
SELECT token.* FROM token WHERE token.secret_hash = @secret_hash ORDER BY token.id LIMIT 1;

-- A join token is used once; a user token remembers its last use.
-- name: UseToken :execrows
UPDATE token SET used_at = @used_at
WHERE token.id = @id AND token.revoked_at IS NULL AND token.expires_at > @used_at
  AND (token.use = 'user' OR token.used_at IS NULL);

-- name: RevokeToken :execrows
UPDATE token SET revoked_at = COALESCE(token.revoked_at, @revoked_at) WHERE token.id = @id;

-- name: ListTokens :many
SELECT token.* FROM token WHERE token.id > @after ORDER BY token.id LIMIT @max_rows;
