package store

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/internal/pgtest"
)

func conn(t *testing.T, dsn string) *pgx.Conn {
	t.Helper()
	c, err := pgx.Connect(t.Context(), dsn)
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close(context.Background()) })
	return c
}

func TestProbeSessionPassesDirectConnections(t *testing.T) {
	t.Parallel()
	dsn := pgtest.New(t, nil)
	require.NoError(t, probeSession(t.Context(), conn(t, dsn), conn(t, dsn)))
}

// Behind a pooler with one backend both clients share it: one connection plays that part.
func TestProbeSessionSeesASharedBackend(t *testing.T) {
	t.Parallel()
	c := conn(t, pgtest.New(t, nil))
	require.Equal(t, api.CodeTransactionPool, api.CodeOf(probeSession(t.Context(), c, c)))
}

// Behind one with more backends, a client finds itself on a backend that lacks its setting.
func TestProbeSessionSeesALostSetting(t *testing.T) {
	t.Parallel()
	c := conn(t, pgtest.New(t, nil))
	require.Equal(t, api.CodeTransactionPool, api.CodeOf(checkProbe(t.Context(), c, "mine")))
}
