package memstore_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/apiserver/store/storetest"
	"github.com/coxswain-hpc/coxswain/internal/sim/memstore"
	"github.com/coxswain-hpc/coxswain/scheduler/loop"
)

var (
	_ loop.Store    = (*memstore.Store)(nil)
	_ loop.Election = (*memstore.Store)(nil)
	_ loop.Store    = (*memstore.Faulty)(nil)
	_ loop.Election = (*memstore.Faulty)(nil)
)

func TestConformance(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(*testing.T) storetest.Backend {
		return memstore.New(memstore.Options{ClusterName: "test", Epoch: "first"})
	})
}

func TestConformanceOfTheWrapper(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(*testing.T) storetest.Backend {
		s := memstore.New(memstore.Options{ClusterName: "test", Epoch: "first"})
		return backend{Faulty: &memstore.Faulty{Store: s}, Policy: s}
	})
}

// backend is the wrapper with what only admins call.
type backend struct {
	*memstore.Faulty
	storetest.Policy
}

func TestLostAnswer(t *testing.T) {
	t.Parallel()
	s := memstore.New(memstore.Options{Epoch: "first"})
	f := &memstore.Faulty{Store: s}
	var asked []memstore.Op
	f.Before = func(op memstore.Op) error { asked = append(asked, op); return nil }
	f.After = func(memstore.Op) error { return api.ErrUnavailable }

	_, _, err := f.TakeOver(t.Context(), 0, "a")
	require.ErrorIs(t, err, api.ErrUnavailable)
	row, err := s.Leader(t.Context())
	require.NoError(t, err)
	require.Equal(t, int64(1), row.Term, "it happened")

	f.Before = func(memstore.Op) error { return api.ErrUnavailable }
	require.ErrorIs(t, f.Renew(t.Context(), 1), api.ErrUnavailable)
	after, err := s.Leader(t.Context())
	require.NoError(t, err)
	require.Equal(t, row, after, "it did not happen")
	require.Equal(t, []memstore.Op{memstore.OpTakeOver}, asked)
}

func TestDroppedFeed(t *testing.T) {
	t.Parallel()
	s := memstore.New(memstore.Options{Epoch: "first"})
	old, err := s.CurrentCursor(t.Context())
	require.NoError(t, err)
	_, err = s.RegisterNode(t.Context(), "n1", api.NodeStatus{BootID: "b"}, now)
	require.NoError(t, err)
	s.DropFeed()
	_, err = s.Changes(t.Context(), old)
	require.ErrorIs(t, err, api.ErrGone)
	w, err := s.Load(t.Context())
	require.NoError(t, err)
	_, err = s.Changes(t.Context(), w.Cursor)
	require.NoError(t, err)
}

var now = time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC)
