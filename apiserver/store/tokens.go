package store

import (
	"context"
	"time"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/apiserver/store/internal/db"
)

// CreateToken stores a token by the hash of its secret.
func (s *Store) CreateToken(ctx context.Context, t api.Token, hash []byte) error {
	p := db.CreateTokenParams{
		ID: t.ID, Use: t.Use, SecretHash: hash, Comment: t.Comment, CreatedBy: t.CreatedBy,
		CreatedAt: instant(t.CreatedAt), ExpiresAt: instant(t.ExpiresAt),
	}
	if t.User != "" {
		p.UserName = &t.User
	}
	return s.write(ctx, "create a token", p.CreatedAt, func(q *db.Queries, touched *api.Touched) error {
		touched.Tokens = []string{t.ID}
		return q.CreateToken(ctx, p)
	})
}

// TokenByHash finds the token with that secret; CodeNotFound for one that nobody made. It may have
// expired or be revoked.
func (s *Store) TokenByHash(ctx context.Context, hash []byte) (api.Token, error) {
	row, err := s.q.TokenByHash(ctx, hash)
	if err != nil {
		return api.Token{}, interpretError("find the token", err)
	}
	return tokenOf(row), nil
}

// UseToken marks a token as used. It fails with CodeConflict for one that has expired, is revoked,
// or is a join token that was used before: exactly one user of a join token wins.
func (s *Store) UseToken(ctx context.Context, id string, now time.Time) error {
	used := instant(now)
	n, err := s.q.UseToken(ctx, &used, id)
	if err == nil && n == 0 {
		return tokenUsed(id)
	}
	return interpretError("use a token", err)
}

func tokenUsed(id string) error {
	return api.Errorf(
		api.CodeConflict, "token %s was used before, has expired or is revoked; make a new one", id,
	)
}

// RevokeToken ends a token's validity; doing it again changes nothing.
func (s *Store) RevokeToken(ctx context.Context, id string, now time.Time) error {
	revoked := instant(now)
	return s.write(ctx, what("revoke token %s", id), now, func(q *db.Queries, touched *api.Touched) error {
		n, err := q.RevokeToken(ctx, &revoked, id)
		if err == nil && n == 0 {
			return api.Errorf(api.CodeNotFound, "there is no token %s", id)
		}
		touched.Tokens = []string{id}
		return err
	})
}

// GetToken reads a token.
func (s *Store) GetToken(ctx context.Context, id string) (api.Token, error) {
	row, err := s.q.GetToken(ctx, id)
	if err != nil {
		return api.Token{}, interpretError(what("read token %s", id), err)
	}
	return tokenOf(row), nil
}

// ListTokens reads tokens by id, after an id ("" for the first page).
func (s *Store) ListTokens(ctx context.Context, after string, limit int) ([]api.Token, error) {
	rows, err := s.q.ListTokens(ctx, after, pageLimit(limit))
	if err != nil {
		return nil, interpretError("list tokens", err)
	}
	out := make([]api.Token, len(rows))
	for i, r := range rows {
		out[i] = tokenOf(r)
	}
	return out, nil
}
