package watch_test

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/apiserver/watch"
	"github.com/coxswain-hpc/coxswain/internal/clock"
)

// source is a feed in memory: a cursor is the number of rows behind it.
type source struct {
	mu   sync.Mutex
	rows []api.JobID
	fail error
	bell chan struct{}
}

func newSource() *source { return &source{bell: make(chan struct{}, 1)} }

func (s *source) commit(id api.JobID) {
	s.mu.Lock()
	s.rows = append(s.rows, id)
	s.mu.Unlock()
	s.ring()
}

func (s *source) ring() {
	select {
	case s.bell <- struct{}{}:
	default:
	}
}

func (s *source) setFail(err error) {
	s.mu.Lock()
	s.fail = err
	s.mu.Unlock()
	s.ring()
}

func cursor(n int) api.Cursor { return api.Cursor{Epoch: "e", Snapshot: strconv.Itoa(n)} }

func (s *source) CurrentCursor(context.Context) (api.Cursor, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return cursor(len(s.rows)), nil
}

func (s *source) Next(_ context.Context, since api.Cursor) (api.Touched, api.Cursor, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil {
		err := s.fail
		s.fail = nil
		return api.Touched{}, api.Cursor{}, err
	}
	n, err := strconv.Atoi(since.Snapshot)
	if err != nil {
		return api.Touched{}, api.Cursor{}, fmt.Errorf("cursor: %w", err)
	}
	return api.Touched{Jobs: append([]api.JobID(nil), s.rows[n:]...)}, cursor(len(s.rows)), nil
}

func (s *source) Bell() (<-chan struct{}, func()) { return s.bell, func() {} }

func start(t *testing.T, s *source) *watch.Hub {
	t.Helper()
	h := watch.New(s, clock.Real{}, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); h.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	return h
}

func subscribe(t *testing.T, h *watch.Hub) *watch.Subscription {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	sub, err := h.Subscribe(ctx)
	require.NoError(t, err)
	return sub
}

func receive(t *testing.T, sub *watch.Subscription) (*watch.Page, bool) {
	t.Helper()
	select {
	case p, ok := <-sub.C:
		return p, ok
	case <-time.After(10 * time.Second):
		t.Fatal("no page")
		return nil, false
	}
}

func TestEverySubscriberSeesEverything(t *testing.T) {
	t.Parallel()
	s := newSource()
	h := start(t, s)
	a, b := subscribe(t, h), subscribe(t, h)
	for id := api.JobID(1); id <= 100; id++ {
		s.commit(id)
	}
	for _, sub := range []*watch.Subscription{a, b} {
		var got []api.JobID
		for len(got) < 100 {
			p, ok := receive(t, sub)
			require.True(t, ok)
			got = append(got, p.Touched.Jobs...)
		}
		require.Len(t, got, 100)
		require.Equal(t, api.JobID(100), got[99])
	}
	a.Close()
	a.Close()
	_, ok := <-a.C
	require.False(t, ok)
}

func TestSlowSubscriberIsLostAndOthersAreNot(t *testing.T) {
	t.Parallel()
	s := newSource()
	h := start(t, s)
	slow, quick := subscribe(t, h), subscribe(t, h)
	for id := api.JobID(1); id <= 400; id++ {
		s.commit(id)
		for got := api.JobID(0); got < id; {
			p, ok := receive(t, quick)
			require.True(t, ok)
			got = p.Touched.Jobs[len(p.Touched.Jobs)-1]
		}
	}
	n := 0
	for range slow.C {
		n++
	}
	require.LessOrEqual(t, n, 256)
}

func TestGoneLosesAllAndGoesOn(t *testing.T) {
	t.Parallel()
	s := newSource()
	h := start(t, s)
	old := subscribe(t, h)
	s.setFail(api.ErrGone)
	_, ok := receive(t, old)
	require.False(t, ok)
	fresh := subscribe(t, h)
	s.commit(7)
	p, ok := receive(t, fresh)
	require.True(t, ok)
	require.Equal(t, []api.JobID{7}, p.Touched.Jobs)
}

func TestFailedReadLosesNothing(t *testing.T) {
	t.Parallel()
	s := newSource()
	h := start(t, s)
	sub := subscribe(t, h)
	s.setFail(api.ErrUnavailable)
	s.commit(1)
	p, ok := receive(t, sub)
	require.True(t, ok)
	require.Equal(t, []api.JobID{1}, p.Touched.Jobs)
}

func TestMemoComputesOnce(t *testing.T) {
	t.Parallel()
	var p watch.Page
	n := 0
	compute := func() (any, error) {
		n++
		if n == 1 {
			return nil, api.ErrUnavailable
		}
		return n, nil
	}
	_, err := p.Memo(api.KindJob, compute)
	require.ErrorIs(t, err, api.ErrUnavailable)
	for range 3 {
		v, err := p.Memo(api.KindJob, compute)
		require.NoError(t, err)
		require.Equal(t, 2, v)
	}
}
