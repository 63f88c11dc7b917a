// Package memstore is the store in memory, for simulations: what apiserver/store promises on Postgres,
// this keeps with maps. Both pass apiserver/store/storetest.
//
// Words. A row is what is stored of one object; rows are replaced, never changed in place, so that what
// was read stays as it was. The feed is a list of what each write touched, and a cursor a place in it.
// An observer hears of every change of a job, a pod or a node, with the term in whose name it was made.
//
// The package knows no clock and no chance: every write takes its time, and equal calls give equal
// stores. Failures are the business of Faulty, which wraps a Store.
package memstore

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/coxswain-hpc/coxswain/api"
)

// Options are what a Store is made of.
type Options struct {
	// ClusterName is told to pods. Epoch names this life of the store.
	ClusterName, Epoch string
	// Observer hears of every change of a job, a pod or a node, under the store's lock; nil for nobody.
	Observer Observer
	// Bell is rung after every write that touched something; nil for nobody.
	Bell func()
}

// Observer hears of changes. term is the leader's, or 0 for a change that users or nodes made. It must
// not call the store.
type Observer interface {
	NodeChanged(before, after api.Node, term int64)
	LeaseRenewed(l api.Lease)
	JobChanged(before, after api.JobRecord, term int64)
	PodChanged(before, after api.Pod, term int64)
}

// Store holds everything. It is safe for concurrent use.
type Store struct {
	options Options

	mu         sync.Mutex
	jobs       map[api.JobID]*jobRow
	open       map[api.JobID]bool
	requests   map[string]api.JobID
	dependents map[api.JobID]map[api.JobID]bool // other job → jobs with a dependency on it
	pods       map[api.PodKey]api.Pod
	podsOf     map[api.JobID]map[api.PodKey]bool
	live       map[api.PodKey]bool // unreleased
	nodes      map[string]api.Node
	leases     map[string]api.Lease
	signals    []signalRow
	accounts   map[string]api.Account
	users      map[string]api.User
	qos        map[string]api.QOS
	partitions map[string]api.Partition
	leader     api.LeaderRow
	lastID     api.JobID
	lastSignal int64
	feed       []api.Touched
	dropped    int // feed rows that are gone
}

// New returns an empty store.
func New(o Options) *Store {
	return &Store{
		options: o,
		jobs:    map[api.JobID]*jobRow{}, open: map[api.JobID]bool{}, requests: map[string]api.JobID{},
		dependents: map[api.JobID]map[api.JobID]bool{}, pods: map[api.PodKey]api.Pod{},
		podsOf: map[api.JobID]map[api.PodKey]bool{}, live: map[api.PodKey]bool{}, nodes: map[string]api.Node{},
		leases: map[string]api.Lease{}, accounts: map[string]api.Account{}, users: map[string]api.User{},
		qos: map[string]api.QOS{}, partitions: map[string]api.Partition{},
	}
}

// write runs do under the lock, and after it tells the feed and the bell what was touched. do must
// change nothing before it can fail no more.
func (s *Store) write(do func(t *touched) error) error {
	t := newTouched()
	s.mu.Lock()
	err := do(t)
	if err == nil && !t.empty() {
		s.feed = append(s.feed, t.list())
	}
	s.mu.Unlock()
	if err == nil && !t.empty() && s.options.Bell != nil {
		s.options.Bell()
	}
	return err
}

// read runs do under the lock.
func (s *Store) read(do func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	do()
}

// instant is a time as the store keeps it: UTC, whole microseconds, as Postgres does.
func instant(t time.Time) time.Time { return t.Round(0).UTC().Truncate(time.Microsecond) }

func instantOf(t *time.Time) *time.Time {
	if t == nil || t.IsZero() {
		return nil
	}
	at := instant(*t)
	return &at
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }

func sortedPods[V any](m map[api.PodKey]V) []api.PodKey {
	return slices.SortedFunc(maps.Keys(m), ComparePodKeys)
}

// ComparePodKeys orders pods by job, index, rank and attempt.
func ComparePodKeys(a, b api.PodKey) int {
	return cmp.Or(cmp.Compare(a.Owner, b.Owner), cmp.Compare(a.Index, b.Index), cmp.Compare(a.Rank, b.Rank),
		cmp.Compare(a.Attempt, b.Attempt))
}
