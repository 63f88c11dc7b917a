package store_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/apiserver/store"
	"github.com/coxswain-hpc/coxswain/internal/pgtest"
)

func TestOpenRefusesWhatItCantUse(t *testing.T) {
	t.Parallel()
	_, err := store.Open(t.Context(), store.Options{DSN: "postgres://%zz"})
	require.Equal(t, api.CodeInvalid, api.CodeOf(err), "%v", err)
	_, err = store.Open(t.Context(), store.Options{DSN: "postgres:///x?host=/nowhere/at/all"})
	require.ErrorIs(t, err, api.ErrUnavailable)
}

func TestOpenBeforeMigrate(t *testing.T) {
	t.Parallel()
	s, err := store.Open(t.Context(), store.Options{DSN: pgtest.New(t, nil)})
	require.NoError(t, err)
	defer s.Close()
	_, err = s.GetJob(t.Context(), 1)
	require.ErrorContains(t, err, "run the migrations")
	require.NoError(t, s.Migrate(t.Context(), "one"))
	first, err := s.Meta(t.Context())
	require.NoError(t, err)
	require.Equal(t, "one", first.ClusterName)
	require.NoError(t, s.Migrate(t.Context(), "two"))
	again, err := s.Meta(t.Context())
	require.NoError(t, err)
	require.Equal(t, first, again, "a cluster keeps its name and epoch")
}

func TestAuthorityFirstWriterWins(t *testing.T) {
	t.Parallel()
	s := open(t)
	_, _, err := s.Authority(t.Context())
	require.ErrorIs(t, err, api.ErrNotFound)
	for _, mine := range []string{"first", "second"} {
		certificate, key, err := s.PutAuthority(t.Context(), []byte(mine), []byte(mine+" key"), noon)
		require.NoError(t, err)
		require.Equal(t, "first", string(certificate))
		require.Equal(t, "first key", string(key))
	}
}

func TestTokens(t *testing.T) {
	t.Parallel()
	s := open(t)
	ctx := t.Context()
	hash := []byte("hash of a secret")
	join := api.Token{
		ID: "t1", Use: "join", CreatedAt: noon, ExpiresAt: noon.AddDate(0, 0, 1), CreatedBy: "root",
	}
	require.NoError(t, s.CreateToken(ctx, join, hash))
	require.Equal(t, api.CodeExists, api.CodeOf(s.CreateToken(ctx, join, hash)))
	got, err := s.TokenByHash(ctx, hash)
	require.NoError(t, err)
	require.Equal(t, join, got)
	_, err = s.TokenByHash(ctx, []byte("another"))
	require.ErrorIs(t, err, api.ErrNotFound)

	require.NoError(t, s.UseToken(ctx, "t1", noon))
	require.ErrorIs(t, s.UseToken(ctx, "t1", noon), api.ErrConflict, "a join token works once")

	user := api.Token{
		ID: "t2", Use: "user", User: "ada", CreatedAt: noon, ExpiresAt: noon.AddDate(0, 0, 1),
		CreatedBy: "ada",
	}
	require.NoError(t, s.CreateToken(ctx, user, []byte("two")))
	require.NoError(t, s.UseToken(ctx, "t2", noon))
	require.NoError(t, s.UseToken(ctx, "t2", noon))
	require.ErrorIs(t, s.UseToken(ctx, "t2", noon.AddDate(0, 0, 2)), api.ErrConflict, "it has expired")
	require.NoError(t, s.RevokeToken(ctx, "t2", noon))
	require.ErrorIs(t, s.UseToken(ctx, "t2", noon), api.ErrConflict)
	require.ErrorIs(t, s.RevokeToken(ctx, "t3", noon), api.ErrNotFound)
	list, err := s.ListTokens(ctx, "", 0)
	require.NoError(t, err)
	require.Len(t, list, 2)
}

func TestServers(t *testing.T) {
	t.Parallel()
	s := open(t)
	ctx := t.Context()
	require.ErrorIs(t, s.BeatServer(ctx, "a"), api.ErrNotFound)
	require.NoError(t, s.PutServer(ctx, "a", "https://a:1", "v1", noon))
	require.NoError(t, s.BeatServer(ctx, "a"))
	list, err := s.ListServers(ctx)
	require.NoError(t, err)
	require.Equal(t, []store.Server{
		{ID: "a", URL: "https://a:1", Version: "v1", StartedAt: noon, Beat: 1},
	}, list)
	require.NoError(t, s.DeleteServer(ctx, "a"))
}

func TestEnsureDefaultsAndUser(t *testing.T) {
	t.Parallel()
	s := open(t)
	ctx := t.Context()
	require.NoError(t, s.EnsureDefaults(ctx, noon))
	_, err := s.PutPartition(ctx, api.DefaultName, 0, api.PartitionSpec{Down: true}, noon)
	require.NoError(t, err)
	require.NoError(t, s.EnsureDefaults(ctx, noon))
	p, err := s.GetPartition(ctx, api.DefaultName)
	require.NoError(t, err)
	require.True(t, p.Spec.Down, "what admins changed stays")

	for range 2 {
		u, err := s.EnsureUser(ctx, api.Identity{User: "ada", UID: 1815})
		require.NoError(t, err)
		require.Equal(
			t, api.UserSpec{UID: 1815, Accounts: []string{"default"}, DefaultAccount: "default"}, u.Spec,
		)
	}
}
