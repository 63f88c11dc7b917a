package store_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/apiserver/store"
	"github.com/coxswain-hpc/coxswain/internal/pgtest"
)

// The database is killed and comes back: meanwhile everything fails as unavailable, soon and not
// for ever; afterwards the same store works on, and what was acknowledged is there.
func TestOutage(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t, pgtest.Options{Durable: true})
	s, err := store.Open(t.Context(), store.Options{DSN: server.DSN("postgres")})
	require.NoError(t, err)
	defer s.Close()
	ctx := t.Context()
	require.NoError(t, s.Migrate(ctx, "test"))
	job, term := submit(t, s, spec()), lead(t, s)
	require.NoError(t, s.Renew(ctx, term))
	c := cursor(t, s)
	commit := api.Commit{Now: noon, Jobs: []api.JobCommit{{ID: job.ID, Generation: 1, Status: job.Status}}}

	server.Kill9()
	for range 3 {
		_, _, err = s.SubmitJob(
			ctx, store.SubmitParams{Submit: api.JobSubmit{Spec: spec()}, Size: 1, Now: noon},
		)
		require.ErrorIs(t, err, api.ErrUnavailable)
		_, err = s.Commit(ctx, term, commit)
		require.ErrorIs(t, err, api.ErrUnavailable)
		require.ErrorIs(t, s.Renew(ctx, term), api.ErrUnavailable)
		_, err = s.Changes(ctx, c)
		require.ErrorIs(t, err, api.ErrUnavailable)
		_, err = s.UpdateJobSpec(ctx, job.ID, 0, noon, func(*api.JobSpec) error { return nil })
		require.ErrorIs(t, err, api.ErrUnavailable)
	}

	server.Restart()
	ticks, stop := s.Bell()
	defer stop()
	require.Eventually(t, func() bool { return s.Ping(ctx) == nil }, tickLimit, 10*time.Millisecond)
	got, err := s.GetJob(ctx, job.ID)
	require.NoError(t, err)
	require.Equal(t, job, got)
	_, err = s.Commit(ctx, term, commit)
	require.NoError(t, err)
	tick(t, ticks, "the bell after the outage")
	changes, err := s.Changes(ctx, c)
	require.NoError(t, err)
	require.Len(t, changes.Jobs, 1, "a cursor outlives a crash")
}
