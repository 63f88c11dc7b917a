package memstore

import (
	"context"
	"strconv"

	"github.com/coxswain-hpc/coxswain/api"
)

// touched gathers what a write touches; each thing is named once.
type touched struct {
	jobs         map[api.JobID]bool
	pods         map[api.PodKey]bool
	nodes        map[string]bool
	changedNodes map[string]bool
	accounts     map[string]bool
	users        map[string]bool
	qos          map[string]bool
	partitions   map[string]bool
	signals      map[int64]bool
}

func newTouched() *touched {
	return &touched{
		jobs: map[api.JobID]bool{}, pods: map[api.PodKey]bool{}, nodes: map[string]bool{},
		changedNodes: map[string]bool{}, accounts: map[string]bool{}, users: map[string]bool{},
		qos: map[string]bool{}, partitions: map[string]bool{}, signals: map[int64]bool{},
	}
}

// pod names a pod whose node has to learn of it.
func (t *touched) pod(p api.Pod) {
	t.pods[p.Key] = true
	t.nodes[p.Node] = true
}

func (t *touched) node(name string) {
	t.nodes[name] = true
	t.changedNodes[name] = true
}

func (t *touched) empty() bool {
	return len(t.jobs)+len(t.pods)+len(t.nodes)+len(t.accounts)+len(t.users)+len(t.qos)+len(t.partitions)+
		len(t.signals) == 0
}

func (t *touched) list() api.Touched {
	return api.Touched{
		Jobs: sortedKeys(t.jobs), Pods: sortedPods(t.pods), Nodes: sortedKeys(t.nodes),
		ChangedNodes: sortedKeys(t.changedNodes), Accounts: sortedKeys(t.accounts), Users: sortedKeys(t.users),
		QOS: sortedKeys(t.qos), Partitions: sortedKeys(t.partitions), Signals: sortedKeys(t.signals),
	}
}

func (t *touched) add(o api.Touched) {
	addAll(t.jobs, o.Jobs)
	addAll(t.pods, o.Pods)
	addAll(t.nodes, o.Nodes)
	addAll(t.changedNodes, o.ChangedNodes)
	addAll(t.accounts, o.Accounts)
	addAll(t.users, o.Users)
	addAll(t.qos, o.QOS)
	addAll(t.partitions, o.Partitions)
	addAll(t.signals, o.Signals)
}

func addAll[K comparable](set map[K]bool, list []K) {
	for _, x := range list {
		set[x] = true
	}
}

// DropFeed forgets the feed up to now: cursors of before are gone.
func (s *Store) DropFeed() {
	s.read(func() {
		s.dropped += len(s.feed)
		s.feed = nil
	})
}

// CurrentCursor is the position of this moment.
func (s *Store) CurrentCursor(context.Context) (c api.Cursor, err error) {
	s.read(func() { c = s.cursor() })
	return c, nil
}

func (s *Store) cursor() api.Cursor {
	return api.Cursor{Epoch: s.options.Epoch, Snapshot: strconv.Itoa(s.dropped + len(s.feed))}
}

// Next reads what was touched since the cursor, merged, and the cursor after it.
func (s *Store) Next(_ context.Context, since api.Cursor) (t api.Touched, next api.Cursor, err error) {
	s.read(func() { t, next, err = s.since(since) })
	return t, next, err
}

func (s *Store) since(c api.Cursor) (api.Touched, api.Cursor, error) {
	if c == (api.Cursor{}) {
		return api.Touched{}, s.cursor(), nil
	}
	from, err := strconv.Atoi(c.Snapshot)
	if err != nil || from < 0 || from > s.dropped+len(s.feed) {
		return api.Touched{}, c, api.Errorf(api.CodeInvalid, "the cursor %q can't be read", c.Snapshot)
	}
	if c.Epoch != s.options.Epoch || from < s.dropped {
		return api.Touched{}, c, api.Errorf(api.CodeGone, "the cursor is too old or of another epoch; list again")
	}
	all := newTouched()
	for _, t := range s.feed[from-s.dropped:] {
		all.add(t)
	}
	return all.list(), s.cursor(), nil
}

// Changes reads what changed since the cursor as current rows.
func (s *Store) Changes(_ context.Context, since api.Cursor) (c api.Changes, err error) {
	s.read(func() {
		var t api.Touched
		if t, c.Cursor, err = s.since(since); err == nil {
			s.fill(&c, t)
		}
	})
	return c, err
}

func (s *Store) fill(c *api.Changes, t api.Touched) {
	ids := append([]api.JobID{}, t.Jobs...)
	for _, id := range t.Jobs {
		ids = append(ids, s.openDependents(id)...)
	}
	c.Jobs = s.records(ids)
	for _, key := range t.Pods {
		if _, has := s.pods[key]; has {
			c.Pods = append(c.Pods, s.pod(key))
		}
	}
	c.Nodes, c.RemovedNodes = current(t.ChangedNodes, s.nodes)
	c.Accounts, _ = current(t.Accounts, s.accounts)
	c.Users, _ = current(t.Users, s.users)
	c.QOS, c.RemovedQOS = current(t.QOS, s.qos)
	c.Partitions, c.RemovedPartitions = current(t.Partitions, s.partitions)
}

// openDependents are the jobs that still wait for a job: what they know of it changed with it.
func (s *Store) openDependents(on api.JobID) []api.JobID {
	var out []api.JobID
	for _, id := range sortedKeys(s.dependents[on]) {
		for _, d := range s.jobs[id].dependencies {
			if d.On == on && !d.met && !d.failed {
				out = append(out, id)
			}
		}
	}
	return out
}

func current[T any](names []string, rows map[string]T) (have []T, gone []string) {
	for _, name := range names {
		if row, has := rows[name]; has {
			have = append(have, row)
		} else {
			gone = append(gone, name)
		}
	}
	return have, gone
}

func all[T any](rows map[string]T) (out []T) {
	for _, name := range sortedKeys(rows) {
		out = append(out, rows[name])
	}
	return out
}

// Load reads the whole world.
func (s *Store) Load(context.Context) (w api.World, err error) {
	s.read(func() {
		w = api.World{
			Epoch: s.options.Epoch, Cursor: s.cursor(), Nodes: all(s.nodes), Jobs: s.records(sortedKeys(s.open)),
			Accounts: all(s.accounts), Users: all(s.users), QOS: all(s.qos), Partitions: all(s.partitions),
		}
		for _, key := range sortedPods(s.live) {
			w.Pods = append(w.Pods, s.pod(key))
		}
	})
	return w, nil
}
