package loop

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/coxswain-hpc/coxswain/api"
)

// elector campaigns for the leader row and keeps it. All its times are boot times.
type elector struct {
	election Election
	holder   string
	lease    time.Duration
	// gone says that the process which a holder names is dead for certain; nil never does.
	gone func(holder string) bool

	leading   bool
	term      int64
	renewedAt time.Duration // when the last successful renewal was sent

	seen   api.LeaderRow // the row of another, as last read
	seenAt time.Duration // since when it has stood so; 0: never read
}

// renewEvery is a third of the lease: two renewals may fail.
func (e *elector) renewEvery() time.Duration { return e.lease / 3 }

// pollEvery is how often a contender reads the row.
func (e *elector) pollEvery() time.Duration { return e.lease / 10 }

// keep renews the own term when that is due. It fails with api.ErrNotLeader when the term is over or
// could not be renewed for the lease time: others may lead by now.
func (e *elector) keep(ctx context.Context, boot time.Duration) error {
	if boot-e.renewedAt < e.renewEvery() {
		return nil
	}
	err := e.election.Renew(ctx, e.term)
	switch {
	case err == nil:
		e.renewedAt = boot
		return nil
	case errors.Is(err, api.ErrNotLeader):
		return fmt.Errorf("renew term %d: %w", e.term, err)
	case boot-e.renewedAt >= e.lease:
		return api.Errorf(api.CodeNotLeader, "term %d could not be renewed for %s: %w", e.term, e.lease, err)
	}
	return nil // one of the renewals that may fail
}

// contend takes the row over when its holder has given up or has not renewed for the lease time.
func (e *elector) contend(ctx context.Context, boot time.Duration) (won bool, err error) {
	row, err := e.election.Leader(ctx)
	if err != nil {
		e.seenAt = 0 // while the row can't be read, its holder may not be able to renew either
		return false, fmt.Errorf("read leader: %w", err)
	}
	if e.seenAt == 0 || row != e.seen {
		e.seen, e.seenAt = row, boot
	}
	vacant := row.Holder == "" || row.Holder == e.holder || (e.gone != nil && e.gone(row.Holder))
	if !vacant && boot-e.seenAt < e.lease {
		return false, nil
	}
	term, ok, err := e.election.TakeOver(ctx, row.Term, e.holder)
	if err != nil {
		return false, fmt.Errorf("take over term %d: %w", row.Term, err)
	}
	e.seenAt = 0
	if ok {
		e.leading, e.term, e.renewedAt = true, term, boot
	}
	return ok, nil
}

// resign gives the row up so that the next leader need not wait for the lease time.
func (e *elector) resign(ctx context.Context, log *slog.Logger) {
	if !e.leading {
		return
	}
	e.leading = false
	if _, _, err := e.election.TakeOver(ctx, e.term, ""); err != nil {
		log.WarnContext(ctx, "could not give up the lead; another server takes over after the lease time",
			slog.Any("error", err))
	}
}
