package store_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/apiserver/store"
	"github.com/coxswain-hpc/coxswain/internal/pgtest"
	"github.com/coxswain-hpc/coxswain/migrations"
	"github.com/coxswain-hpc/coxswain/scheduler/loop"
)

var (
	_ loop.Store    = (*store.Store)(nil)
	_ loop.Election = (*store.Store)(nil)
)

// noon is far from the day of the test, for which Migrate makes partitions.
var noon = time.Date(2031, 3, 4, 12, 0, 0, 0, time.UTC)

// open gives a migrated store on a database of the test's own.
func open(t testing.TB) *store.Store {
	t.Helper()
	s, _ := openDSN(t)
	return s
}

func openDSN(t testing.TB) (*store.Store, string) {
	t.Helper()
	dsn := pgtest.New(t, migrations.Up)
	return connect(t, dsn), dsn
}

// connect gives one more server's view of a database.
func connect(t testing.TB, dsn string) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), store.Options{DSN: dsn})
	require.NoError(t, err)
	t.Cleanup(s.Close)
	require.NoError(t, s.Migrate(t.Context(), "test"))
	return s
}

// lead makes the store the leader and returns its term.
func lead(t testing.TB, s *store.Store) int64 {
	t.Helper()
	row, err := s.Leader(t.Context())
	require.NoError(t, err)
	term, ok, err := s.TakeOver(t.Context(), row.Term, "test")
	require.NoError(t, err)
	require.True(t, ok)
	return term
}

// spec is a job of ada's with one role.
func spec() api.JobSpec {
	cpu := api.Resources{CPUMillis: 1000, MemoryBytes: 1 << 30}
	main := api.Container{Name: "main", Main: true, Requests: cpu, Limits: cpu}
	return api.JobSpec{
		Name: "sweep", Account: "default", Partition: "default", QOS: "default",
		Owner: api.Identity{User: "ada", UID: 1815, GID: 1815},
		Roles: []api.Role{
			{Name: "main", Count: 1, Template: api.PodTemplate{Containers: []api.Container{main}}},
		},
		TimeLimitSeconds: 3600, GraceSeconds: 30,
	}
}

func submit(t testing.TB, s *store.Store, sp api.JobSpec) api.Job {
	t.Helper()
	job, existed, err := trySubmit(t.Context(), s, sp)
	require.NoError(t, err)
	require.False(t, existed)
	return job
}

// trySubmit may be called in goroutines of a test.
func trySubmit(ctx context.Context, s *store.Store, sp api.JobSpec) (job api.Job, existed bool, err error) {
	array, err := api.ParseArray(sp.Array)
	if err != nil {
		return api.Job{}, false, err
	}
	return s.SubmitJob(ctx, store.SubmitParams{
		Submit: api.JobSubmit{
			Spec:    sp,
			Payload: api.Payload{Script: []byte("#!/bin/sh\n"), Environment: []string{"A=1", "B=two\nlines"}},
		},
		Size: max(array.Len(), 1), Now: noon,
	})
}

func cursor(t testing.TB, s *store.Store) api.Cursor {
	t.Helper()
	c, err := s.CurrentCursor(context.Background())
	require.NoError(t, err)
	return c
}
