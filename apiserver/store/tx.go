package store

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/apiserver/store/internal/db"
)

// txTries bounds how often a transaction that lost against another is run again.
const txTries = 5

// Tx runs do in a transaction: it commits when do returns nil, else rolls back. After a
// serialization failure or a deadlock it starts over, so do may run several times.
func (s *Store) tx(ctx context.Context, doing string, options pgx.TxOptions, do func(*db.Queries) error) error {
	var err error
	for range txTries {
		err = pgx.BeginTxFunc(ctx, s.pool, options, func(tx pgx.Tx) error { return do(db.New(tx)) })
		if !isRetryable(err) {
			break
		}
	}
	return interpretError(doing, err)
}

// write runs do in a transaction, writes what it touched into the feed and rings the bell after
// the commit. A transaction that touched nothing writes no feed row.
func (s *Store) write(
	ctx context.Context, doing string, now time.Time, do func(*db.Queries, *api.Touched) error,
) error {
	return s.writeWith(ctx, doing, pgx.TxOptions{}, now, do)
}

// writeWith is write with a choice of isolation.
func (s *Store) writeWith(
	ctx context.Context, doing string, options pgx.TxOptions, now time.Time, do func(*db.Queries, *api.Touched) error,
) error {
	var touched api.Touched
	err := s.tx(ctx, doing, options, func(q *db.Queries) error {
		touched = api.Touched{}
		if err := do(q, &touched); err != nil || isEmpty(touched) {
			return err
		}
		return q.WriteFeed(ctx, now, touched)
	})
	if err == nil && !isEmpty(touched) {
		s.Ring()
	}
	return err
}

// snapshot runs do on one snapshot that nothing changes.
func (s *Store) snapshot(ctx context.Context, doing string, do func(*db.Queries) error) error {
	options := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	return s.tx(ctx, doing, options, do)
}

func isEmpty(t api.Touched) bool {
	return len(t.Jobs) == 0 && len(t.Pods) == 0 && len(t.Nodes) == 0 && len(t.Accounts) == 0 &&
		len(t.Users) == 0 && len(t.QOS) == 0 && len(t.Partitions) == 0 && len(t.Tokens) == 0 &&
		len(t.Signals) == 0
}

// touchedSet merges what transactions touched; each thing is named once.
type touchedSet struct {
	jobs         map[api.JobID]bool
	pods         map[api.PodKey]bool
	nodes        map[string]bool
	changedNodes map[string]bool
	accounts     map[string]bool
	users        map[string]bool
	qos          map[string]bool
	partitions   map[string]bool
	tokens       map[string]bool
	signals      map[int64]bool
}

func newTouchedSet() *touchedSet {
	return &touchedSet{
		jobs: map[api.JobID]bool{}, pods: map[api.PodKey]bool{}, nodes: map[string]bool{},
		changedNodes: map[string]bool{}, accounts: map[string]bool{}, users: map[string]bool{},
		qos: map[string]bool{}, partitions: map[string]bool{}, tokens: map[string]bool{},
		signals: map[int64]bool{},
	}
}

func (s *touchedSet) add(t api.Touched) {
	addAll(s.jobs, t.Jobs)
	addAll(s.pods, t.Pods)
	addAll(s.nodes, t.Nodes)
	addAll(s.changedNodes, t.ChangedNodes)
	addAll(s.accounts, t.Accounts)
	addAll(s.users, t.Users)
	addAll(s.qos, t.QOS)
	addAll(s.partitions, t.Partitions)
	addAll(s.tokens, t.Tokens)
	addAll(s.signals, t.Signals)
}

// size counts what grows with the feed.
func (s *touchedSet) size() int { return len(s.jobs) + len(s.pods) + len(s.nodes) + len(s.signals) }

// list gives everything in order.
func (s *touchedSet) list() api.Touched {
	pods := keysOf(s.pods)
	slices.SortFunc(pods, comparePodKeys)
	return api.Touched{
		Jobs: sortedKeys(s.jobs), Pods: pods, Nodes: sortedKeys(s.nodes),
		ChangedNodes: sortedKeys(s.changedNodes), Accounts: sortedKeys(s.accounts),
		Users: sortedKeys(s.users), QOS: sortedKeys(s.qos), Partitions: sortedKeys(s.partitions),
		Tokens: sortedKeys(s.tokens), Signals: sortedKeys(s.signals),
	}
}

func isRollback(err error) bool { return errors.Is(err, errRollback) }

// errRollback ends a transaction whose work turned out to be none.
var errRollback = errors.New("nothing to do")
