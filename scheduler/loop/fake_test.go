package loop_test

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strconv"
	"sync"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/scheduler/loop"
)

// fakeStore is a store of maps, with the leader row, that can fail on demand. It keeps the contract of
// loop.Store as far as these tests need it: fencing, generations, and a feed of touched ids.
type fakeStore struct {
	mu      sync.Mutex
	jobs    map[api.JobID]api.JobRecord
	pods    map[api.PodKey]api.Pod
	nodes   map[string]api.Node
	policy  api.World // partitions and QOS
	leases  map[string]api.Lease
	leader  api.LeaderRow
	feed    []api.Touched
	nextID  api.JobID
	commits []api.Commit
	failing error // what every call answers
	lost    bool  // the next commit happens, but its answer is lost
}

var (
	_ loop.Store    = (*fakeStore)(nil)
	_ loop.Election = (*fakeStore)(nil)
)

func newFakeStore() *fakeStore {
	return &fakeStore{
		jobs: map[api.JobID]api.JobRecord{}, pods: map[api.PodKey]api.Pod{}, nodes: map[string]api.Node{},
		leases: map[string]api.Lease{}, nextID: 100,
		policy: api.World{
			Partitions: []api.Partition{{Name: api.DefaultName}}, QOS: []api.QOS{{Name: api.DefaultName}},
		},
	}
}

func (s *fakeStore) touch(t api.Touched) { s.feed = append(s.feed, t) }

func (s *fakeStore) cursor() api.Cursor {
	return api.Cursor{Epoch: "e", Snapshot: strconv.Itoa(len(s.feed))}
}

func (s *fakeStore) Load(context.Context) (api.World, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failing != nil {
		return api.World{}, s.failing
	}
	w := s.policy
	w.Cursor = s.cursor()
	for _, name := range slices.Sorted(maps.Keys(s.nodes)) {
		w.Nodes = append(w.Nodes, s.nodes[name])
	}
	for _, id := range slices.Sorted(maps.Keys(s.jobs)) {
		if !s.jobs[id].Job.Status.State.Ended() {
			w.Jobs = append(w.Jobs, s.record(id))
		}
	}
	w.Pods = s.podsWhere(func(p api.Pod) bool { return p.Live() })
	return w, nil
}

// record is a job's record with what its dependencies look at filled in.
func (s *fakeStore) record(id api.JobID) api.JobRecord {
	rec := s.jobs[id]
	rec.Indices = slices.Clone(rec.Indices)
	rec.Dependencies = slices.Clone(rec.Dependencies)
	for i := range rec.Dependencies {
		d := &rec.Dependencies[i]
		on, known := s.jobs[d.On]
		if !known {
			continue
		}
		d.OnState, d.OnStartedAt, d.OnEndedAt = on.Job.Status.State, on.Job.Status.StartedAt, on.Job.Status.EndedAt
		if d.OnIndex != api.NoIndex {
			s.lookAtTask(d)
		}
	}
	return rec
}

func (s *fakeStore) lookAtTask(d *api.DependencyState) {
	d.OnState, d.OnStartedAt, d.OnEndedAt = api.JobPending, nil, nil
	on := s.jobs[d.On].Job
	array, _ := api.ParseArray(on.Spec.Array)
	ordinal, _ := array.Ordinal(d.OnIndex)
	if on.Status.Waiting.Has(ordinal) {
		return
	}
	d.OnState = api.JobCancelled // neither waiting nor ever placed
	for _, p := range s.podsWhere(func(p api.Pod) bool { return p.Key.Owner == d.On && p.Key.Index == d.OnIndex }) {
		at := p.BoundAt
		d.OnState, d.OnStartedAt = api.JobRunning, &at
		if !p.Live() {
			d.OnState, d.OnEndedAt = api.JobState(p.State), p.EndedAt
		}
	}
}

func (s *fakeStore) podsWhere(want func(api.Pod) bool) []api.Pod {
	var out []api.Pod
	for _, p := range s.pods {
		if want(p) {
			out = append(out, p)
		}
	}
	slices.SortFunc(out, func(a, b api.Pod) int {
		return cmp.Or(cmp.Compare(a.Key.Owner, b.Key.Owner), cmp.Compare(a.Key.Index, b.Key.Index),
			cmp.Compare(a.Key.Rank, b.Key.Rank), cmp.Compare(a.Key.Attempt, b.Key.Attempt))
	})
	return out
}

func (s *fakeStore) Changes(_ context.Context, since api.Cursor) (api.Changes, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failing != nil {
		return api.Changes{}, s.failing
	}
	from, _ := strconv.Atoi(since.Snapshot)
	if since.Epoch != "e" {
		return api.Changes{}, api.ErrGone
	}
	out := api.Changes{Cursor: s.cursor()}
	jobs, pods, nodes := map[api.JobID]bool{}, map[api.PodKey]bool{}, map[string]bool{}
	for _, t := range s.feed[from:] {
		for _, id := range t.Jobs {
			jobs[id] = true
		}
		for _, key := range t.Pods {
			pods[key] = true
		}
		for _, name := range t.Nodes {
			nodes[name] = true
		}
	}
	for _, id := range slices.Sorted(maps.Keys(jobs)) {
		out.Jobs = append(out.Jobs, s.record(id))
	}
	out.Pods = s.podsWhere(func(p api.Pod) bool { return pods[p.Key] })
	for _, name := range slices.Sorted(maps.Keys(nodes)) {
		if n, has := s.nodes[name]; has {
			out.Nodes = append(out.Nodes, n)
		} else {
			out.RemovedNodes = append(out.RemovedNodes, name)
		}
	}
	return out, nil
}

func (s *fakeStore) Commit(_ context.Context, term int64, c api.Commit) (api.CommitResult, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.failing != nil:
		return api.CommitResult{}, s.failing
	case term != s.leader.Term:
		return api.CommitResult{}, api.ErrNotLeader
	}
	s.commits = append(s.commits, c)
	var result api.CommitResult
	for _, u := range c.Jobs {
		if s.refuses(u) {
			result.Refused = append(result.Refused, u.ID)
			continue
		}
		s.applyUnit(c, u)
	}
	for _, n := range c.Nodes {
		rec := s.nodes[n.Name]
		rec.Status.State, rec.Status.Since = n.State, n.Since
		s.nodes[n.Name] = rec
		s.touch(api.Touched{Nodes: []string{n.Name}})
	}
	if s.lost {
		s.lost = false
		return api.CommitResult{}, api.ErrUnavailable
	}
	return result, nil
}

func (s *fakeStore) refuses(u api.JobCommit) bool {
	if s.jobs[u.ID].Job.Generation != u.Generation {
		return true
	}
	for name, generation := range u.NodeGenerations {
		if s.nodes[name].Generation != generation {
			return true
		}
	}
	return false
}

func (s *fakeStore) applyUnit(c api.Commit, u api.JobCommit) {
	rec := s.jobs[u.ID]
	rec.Job.Status, rec.RequeueServed = u.Status, u.RequeueServed
	rec.Indices = slices.Clone(rec.Indices)
	for _, row := range u.Indices {
		rec.Indices = slices.DeleteFunc(rec.Indices, func(x api.JobIndex) bool { return x.Ordinal == row.Ordinal })
		if row.RequeueSeen {
			row.RequeueWanted, row.RequeueSeen = false, false
		}
		rec.Indices = append(rec.Indices, row)
	}
	rec.Indices = slices.DeleteFunc(rec.Indices,
		func(x api.JobIndex) bool { return slices.Contains(u.DroppedIndices, x.Ordinal) })
	slices.SortFunc(rec.Indices, func(a, b api.JobIndex) int { return cmp.Compare(a.Ordinal, b.Ordinal) })
	for _, d := range u.Dependencies {
		rec.Dependencies[d.Position].Met, rec.Dependencies[d.Position].Failed = d.Met, !d.Met
	}
	s.jobs[u.ID] = rec
	t := api.Touched{Jobs: []api.JobID{u.ID}}
	put := func(p api.Pod) { s.pods[p.Key] = p; t.Pods = append(t.Pods, p.Key); t.Nodes = append(t.Nodes, p.Node) }
	for _, p := range u.Binds {
		if _, twice := s.pods[p.Key]; twice {
			panic("bound twice: " + p.Key.String())
		}
		put(p)
	}
	for _, key := range u.Releases {
		p := s.pods[key]
		if !p.State.Ended() || p.ReleasedAt != nil {
			panic("released twice or while it lives: " + key.String())
		}
		at := c.Now
		p.ReleasedAt = &at
		put(p)
	}
	for _, e := range u.Ends {
		p, err := s.pods[e.Key].Apply(e.Event)
		if err == nil {
			put(p)
		}
	}
	for _, o := range u.Stops {
		p := s.pods[o.Key]
		stop := o.Stop
		p.Stop = &stop
		put(p)
	}
	s.touch(t)
}

func (s *fakeStore) Jobs(_ context.Context, ids []api.JobID) ([]api.JobRecord, []api.Pod, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failing != nil {
		return nil, nil, s.failing
	}
	var out []api.JobRecord
	for _, id := range ids {
		if _, has := s.jobs[id]; has {
			out = append(out, s.record(id))
		}
	}
	return out, s.podsWhere(func(p api.Pod) bool { return p.Live() && slices.Contains(ids, p.Key.Owner) }), nil
}

func (s *fakeStore) TakeIDs(_ context.Context, term int64, n int) (api.JobID, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if term != s.leader.Term {
		return 0, api.ErrNotLeader
	}
	first := s.nextID
	s.nextID += api.JobID(n)
	return first, s.failing
}

func (s *fakeStore) Leases(context.Context) ([]api.Lease, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []api.Lease
	for _, name := range slices.Sorted(maps.Keys(s.leases)) {
		out = append(out, s.leases[name])
	}
	return out, s.failing
}

func (s *fakeStore) CompletedOrdinals(_ context.Context, id api.JobID) (api.Ranges, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out api.Ranges
	for _, p := range s.podsWhere(func(p api.Pod) bool { return p.Key.Owner == id && p.State == api.PodCompleted }) {
		out = out.Add(p.Ordinal)
	}
	return out, s.failing
}

func (s *fakeStore) Leader(context.Context) (api.LeaderRow, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.leader, s.failing
}

func (s *fakeStore) TakeOver(_ context.Context, old int64, holder string) (int64, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failing != nil || s.leader.Term != old {
		return 0, false, s.failing
	}
	s.leader = api.LeaderRow{Term: old + 1, Holder: holder}
	return old + 1, true, nil
}

func (s *fakeStore) Renew(_ context.Context, term int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failing != nil {
		return s.failing
	}
	if s.leader.Term != term {
		return api.ErrNotLeader
	}
	s.leader.Beat++
	return nil
}

// What users, API servers and nodes do.

func (s *fakeStore) submit(id api.JobID, change func(*api.JobRecord)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	container := api.Container{Name: "main", Main: true, Requests: api.Resources{CPUMillis: 1000, MemoryBytes: 1 << 30}}
	container.Limits = container.Requests
	rec := api.JobRecord{Job: api.Job{ID: id, Generation: 1, Spec: api.JobSpec{
		Name: "job", Owner: api.Identity{User: "ann"}, Partition: api.DefaultName, QOS: api.DefaultName,
		TimeLimitSeconds: 3600, GraceSeconds: 30,
		Roles: []api.Role{{Name: "main", Count: 1, Template: api.PodTemplate{Containers: []api.Container{container}}}},
	}}}
	if change != nil {
		change(&rec)
	}
	for _, d := range rec.Job.Spec.Dependencies {
		rec.Dependencies = append(rec.Dependencies, api.DependencyState{Dependency: d})
	}
	array, err := api.ParseArray(rec.Job.Spec.Array)
	if err != nil {
		panic(err)
	}
	rec.Job.Status = api.JobStatus{
		State: api.JobPending, Reason: api.ReasonSubmitted,
		Waiting: api.RangesOf(api.Range{From: 0, To: array.Len()}),
		Counts:  api.JobCounts{Waiting: array.Len()}, SubmittedAt: noon,
	}
	s.jobs[id] = rec
	s.touch(api.Touched{Jobs: []api.JobID{id}})
}

func (s *fakeStore) change(id api.JobID, change func(*api.JobRecord)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	rec := s.jobs[id]
	rec.Indices = slices.Clone(rec.Indices)
	change(&rec)
	s.jobs[id] = rec
	s.touch(api.Touched{Jobs: []api.JobID{id}})
}

func (s *fakeStore) addNode(name string, cpus int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var topology []api.CPU
	for i := range cpus {
		topology = append(topology, api.CPU{ID: i, Core: i})
	}
	amount := api.Resources{CPUMillis: int64(cpus) * 1000, MemoryBytes: 64 << 30}
	s.nodes[name] = api.Node{Name: name, Generation: 1, Status: api.NodeStatus{
		State: api.NodeReady, Inventory: api.Inventory{Topology: topology, Allocatable: amount, Capacity: amount},
	}}
	s.leases[name] = api.Lease{Node: name, BootID: "b", Seq: 1}
	s.touch(api.Touched{Nodes: []string{name}})
}

// report is what a node reports of a pod.
func (s *fakeStore) report(key api.PodKey, e api.PodEvent) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, err := s.pods[key].Apply(e)
	if err != nil {
		panic(err)
	}
	s.pods[key] = p
	s.touch(api.Touched{Pods: []api.PodKey{key}, Nodes: []string{p.Node}})
}

func (s *fakeStore) renew(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	lease := s.leases[name]
	lease.Seq++
	s.leases[name] = lease
}

func (s *fakeStore) setFailing(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failing = err
}

// livePods lists the pods that hold resources.
func (s *fakeStore) livePods() []api.Pod {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.podsWhere(func(p api.Pod) bool { return p.Live() })
}

func (s *fakeStore) job(id api.JobID) api.JobRecord {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.jobs[id]
}
