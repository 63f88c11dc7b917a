package store_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/coxswain-hpc/coxswain/apiserver/store"
	"github.com/coxswain-hpc/coxswain/internal/clock"
)

// tickLimit is far beyond what a tick takes.
const tickLimit = 20 * time.Second

func tick(t *testing.T, ticks <-chan struct{}, why string) {
	t.Helper()
	select {
	case <-ticks:
	case <-time.After(tickLimit):
		require.Fail(t, "no tick", why)
	}
}

// openQuiet gives a store whose clock stands still, so that its poll never ticks.
func openQuiet(t *testing.T, dsn string) (*store.Store, *clock.Fake) {
	t.Helper()
	c := clock.NewFake(noon)
	s, err := store.Open(t.Context(), store.Options{DSN: dsn, Clock: c})
	require.NoError(t, err)
	t.Cleanup(s.Close)
	return s, c
}

func TestBellRingsHereAndElsewhere(t *testing.T) {
	t.Parallel()
	_, dsn := openDSN(t)
	a, _ := openQuiet(t, dsn)
	b, _ := openQuiet(t, dsn)
	waitForListeners(t, dsn, 3)
	here, stopHere := a.Bell()
	there, stopThere := b.Bell()
	defer stopThere()

	submit(t, a, spec())
	tick(t, here, "in the process that committed")
	tick(t, there, "in another server")

	stopHere()
	submit(t, b, spec())
	tick(t, there, "the other way round")
	require.Empty(t, here, "who has left hears nothing")
}

// waitForListeners returns when n servers listen: a ring before that is lost, as it may be.
func waitForListeners(t *testing.T, dsn string, n int) {
	t.Helper()
	w := newWriter(t, dsn)
	require.Eventually(t, func() bool {
		return count(t, w.conn, `SELECT count(*) FROM pg_stat_activity
			WHERE datname = current_database() AND query = 'LISTEN cox_bell'`) == n
	}, tickLimit, time.Millisecond)
}

// With a poll, a lost ring costs a moment.
func TestBellPolls(t *testing.T) {
	t.Parallel()
	_, dsn := openDSN(t)
	s, c := openQuiet(t, dsn)
	waitForListeners(t, dsn, 2)
	ticks, stop := s.Bell()
	defer stop()
	c.WaitForTimers(1)
	c.Advance(2 * time.Second)
	tick(t, ticks, "the poll")
}

// The bell's own connections come back after they were cut.
func TestBellSurvivesItsConnection(t *testing.T) {
	t.Parallel()
	a, dsn := openDSN(t)
	b := connect(t, dsn)
	waitForListeners(t, dsn, 2)
	cut, err := pgx.Connect(t.Context(), dsn)
	require.NoError(t, err)
	t.Cleanup(func() { _ = cut.Close(context.Background()) })
	_, err = cut.Exec(t.Context(), `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
		WHERE datname = current_database() AND query = 'LISTEN cox_bell'`)
	require.NoError(t, err)
	waitForListeners(t, dsn, 2)
	ticks, stop := b.Bell()
	defer stop()
	submit(t, a, spec())
	tick(t, ticks, "after the cut")
}
