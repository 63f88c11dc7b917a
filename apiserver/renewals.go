package apiserver

import (
	"context"
	"sync"
	"time"

	"github.com/coxswain-hpc/coxswain/api"
)

const (
	// renewalsMax bounds the leases of one statement.
	renewalsMax = 1000
	// renewalTimeout bounds the statement, whoever waits for it.
	renewalTimeout = 15 * time.Second
)

// leaseStore is where renewals are stored.
type leaseStore interface {
	RenewLeases(ctx context.Context, leases []api.Lease) error
}

// renewals stores the renewals of all nodes in few statements: those that arrive while one statement
// runs share the next. Each caller returns once its own is stored.
type renewals struct {
	store leaseStore

	mu      sync.Mutex
	waiting []waitingRenewal
	busy    bool
}

type waitingRenewal struct {
	leases []api.Lease
	done   chan error
}

func newRenewals(s leaseStore) *renewals { return &renewals{store: s} }

// RenewLeases stores leases together with those of other streams.
func (r *renewals) RenewLeases(ctx context.Context, leases []api.Lease) error {
	w := waitingRenewal{leases: leases, done: make(chan error, 1)}
	r.mu.Lock()
	r.waiting = append(r.waiting, w)
	lead := !r.busy
	r.busy = true
	r.mu.Unlock()
	if lead {
		go r.drain(context.WithoutCancel(ctx)) // others wait for it too
	}
	select {
	case err := <-w.done:
		return err
	case <-ctx.Done():
		return api.Errorf(api.CodeUnavailable, "wait for the renewal to be stored: %w", context.Cause(ctx))
	}
}

// drain stores batch after batch until nobody waits.
func (r *renewals) drain(ctx context.Context) {
	for {
		batch := r.take()
		if len(batch) == 0 {
			return
		}
		var leases []api.Lease
		for _, w := range batch {
			leases = append(leases, w.leases...)
		}
		once, cancel := context.WithTimeout(ctx, renewalTimeout)
		err := r.store.RenewLeases(once, leases)
		cancel()
		for _, w := range batch {
			w.done <- err
		}
	}
}

func (r *renewals) take() []waitingRenewal {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := min(len(r.waiting), renewalsMax)
	batch := r.waiting[:n:n]
	r.waiting = r.waiting[n:]
	if n == 0 {
		r.busy, r.waiting = false, nil
	}
	return batch
}
