package loop

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/scheduler"
)

// world is the cluster in the leader's memory: a cache of the store at the feed position cursor.
// Everything derived (node books, queue, who waits for whom) is kept up by put… and drop….
type world struct {
	cursor     api.Cursor
	jobs       map[api.JobID]*job
	pods       map[api.PodKey]api.Pod // every unreleased pod
	nodes      map[string]*node
	partitions map[string]api.Partition
	qos        map[string]api.QOS
	accounts   map[string]api.Account
	users      map[string]api.User

	names      []string                         // of the nodes, sorted; nil when that has to be done anew
	waiting    []*job                           // jobs with something waiting, in no order; may hold stale ones
	dependents map[api.JobID]map[api.JobID]bool // other job → jobs with an open dependency on it
	namesakes  map[namesake]map[api.JobID]bool  // open jobs of one user and name, for singleton
	timed      map[api.JobID]time.Time          // when a job's waiting may end by time alone
	arrays     map[api.JobID]string             // array expressions of jobs that aftercorr looks at
	released   map[api.JobID]map[int]api.Ranges // see facts.released

	dirty    map[api.JobID]bool // to be settled
	stale    map[api.JobID]bool // to be read again
	corr     map[api.JobID]bool // aftercorr facts to be read again
	cycleDue bool
}

type namesake struct{ user, name string }

// job is an open job with what is derived from its record.
type job struct {
	rec  api.JobRecord
	pods map[api.PodKey]bool
	view *scheduler.Job // nil when nothing waits
	// queued: it stands in world.waiting, though perhaps with nothing waiting any more.
	queued bool
}

// node is a machine with its books.
type node struct {
	rec   api.Node
	books *scheduler.Node
	pods  map[api.PodKey]bool
}

func newWorld(w api.World) *world {
	out := &world{
		cursor: w.Cursor, jobs: map[api.JobID]*job{}, pods: map[api.PodKey]api.Pod{}, nodes: map[string]*node{},
		partitions: map[string]api.Partition{}, qos: map[string]api.QOS{}, accounts: map[string]api.Account{},
		users: map[string]api.User{}, dependents: map[api.JobID]map[api.JobID]bool{},
		namesakes: map[namesake]map[api.JobID]bool{}, timed: map[api.JobID]time.Time{},
		arrays: map[api.JobID]string{}, released: map[api.JobID]map[int]api.Ranges{},
		dirty: map[api.JobID]bool{}, stale: map[api.JobID]bool{}, corr: map[api.JobID]bool{}, cycleDue: true,
	}
	out.apply(api.Changes{
		Cursor: w.Cursor, Jobs: w.Jobs, Pods: w.Pods, Nodes: w.Nodes, Accounts: w.Accounts, Users: w.Users,
		QOS: w.QOS, Partitions: w.Partitions,
	})
	return out
}

// apply takes changed rows in. Jobs come before pods, so that a pod finds its job; what was known
// already changes nothing.
func (w *world) apply(c api.Changes) {
	w.applyPolicy(c)
	for _, n := range c.Nodes {
		w.putNode(n)
	}
	for _, name := range c.RemovedNodes {
		w.dropNode(name)
	}
	for _, rec := range c.Jobs {
		w.putJob(rec)
	}
	for _, p := range c.Pods {
		w.putPod(p)
	}
	w.cursor = c.Cursor
}

func (w *world) applyPolicy(c api.Changes) {
	for _, a := range c.Accounts {
		w.accounts[a.Name] = a
	}
	for _, u := range c.Users {
		w.users[u.Name] = u
	}
	for _, q := range c.QOS {
		w.qos[q.Name] = q
	}
	for _, p := range c.Partitions {
		w.partitions[p.Name] = p
	}
	for _, name := range c.RemovedQOS {
		delete(w.qos, name)
	}
	for _, name := range c.RemovedPartitions {
		delete(w.partitions, name)
	}
	if len(c.QOS)+len(c.Partitions)+len(c.RemovedQOS)+len(c.RemovedPartitions) > 0 {
		w.cycleDue = true
	}
}

func (w *world) putNode(rec api.Node) {
	n, known := w.nodes[rec.Name]
	if known && sameNode(n.rec, rec) {
		n.rec = rec
		return
	}
	if !known {
		n = &node{pods: map[api.PodKey]bool{}}
		w.nodes[rec.Name] = n
		w.names = nil
		for key, p := range w.pods {
			if p.Node == rec.Name {
				n.pods[key] = true
			}
		}
	}
	n.rec = rec
	n.books = scheduler.NewNode(rec)
	for _, key := range slices.SortedFunc(maps.Keys(n.pods), compareKeys) {
		n.books.Add(w.heldOf(w.pods[key]))
	}
	w.cycleDue = true
}

func (w *world) dropNode(name string) {
	if n, known := w.nodes[name]; known {
		for key := range n.pods {
			w.dirty[key.Owner] = true
		}
		delete(w.nodes, name)
		w.names = nil
	}
}

func (w *world) heldOf(p api.Pod) scheduler.Held {
	j, known := w.jobs[p.Key.Owner]
	return scheduler.HeldOf(p, known && j.rec.Job.Spec.Exclusive)
}

// putPod takes a pod's row in; a released one leaves.
func (w *world) putPod(p api.Pod) {
	old, known := w.pods[p.Key]
	if !p.Live() {
		if known {
			w.dropPod(old)
		}
		return
	}
	if known && samePod(old, p) {
		w.pods[p.Key] = p
		return
	}
	if known {
		w.unbook(old)
	}
	w.pods[p.Key] = p
	if n, has := w.nodes[p.Node]; has {
		n.pods[p.Key] = true
		n.books.Add(w.heldOf(p))
	}
	j, open := w.jobs[p.Key.Owner]
	if open {
		j.pods[p.Key] = true
		w.touchTasks(j)
	}
	if p.State.Ended() || !known {
		w.dirty[p.Key.Owner] = true
	}
}

func (w *world) unbook(p api.Pod) {
	if n, has := w.nodes[p.Node]; has {
		delete(n.pods, p.Key)
		n.books.Remove(p.Key)
	}
}

func (w *world) dropPod(p api.Pod) {
	w.unbook(p)
	delete(w.pods, p.Key)
	if j, open := w.jobs[p.Key.Owner]; open {
		delete(j.pods, p.Key)
	}
	w.cycleDue = true
}

// putJob takes a job's record in; an ended one leaves after its dependents have seen it.
func (w *world) putJob(rec api.JobRecord) {
	id := rec.Job.ID
	j, known := w.jobs[id]
	if rec.Job.Status.State.Ended() {
		w.tellDependents(rec)
		if known {
			w.dropJob(j)
		}
		return
	}
	if !known {
		j = &job{pods: map[api.PodKey]bool{}}
		w.jobs[id] = j
		w.addNamesake(rec)
		w.adoptPods(j, id)
	}
	changed := !known || !sameRecord(j.rec, rec)
	w.takeRecord(j, rec)
	if changed {
		w.dirty[id] = true
		w.cycleDue = true
		w.tellDependents(rec)
	}
}

// takeRecord makes rec the record of j and derives the rest from it.
func (w *world) takeRecord(j *job, rec api.JobRecord) {
	if j.rec.Job.Spec.Name != rec.Job.Spec.Name && j.rec.Job.ID != 0 {
		w.dropNamesake(j.rec)
		w.addNamesake(rec)
	}
	exclusive := j.rec.Job.Spec.Exclusive != rec.Job.Spec.Exclusive
	j.rec = rec
	j.rec.Dependencies = slices.Clone(rec.Dependencies)
	for i := range j.rec.Dependencies {
		w.watch(j, &j.rec.Dependencies[i])
	}
	w.lookAtNamesakes(j) // the store does not: the feed must not undo what is known here
	if _, known := w.released[rec.Job.ID]; !known && followsTasks(rec) {
		w.corr[rec.Job.ID] = true
	}
	w.refresh(j)
	if exclusive {
		for key := range j.pods {
			w.rebook(key)
		}
	}
}

func (w *world) rebook(key api.PodKey) {
	p := w.pods[key]
	if n, has := w.nodes[p.Node]; has {
		n.books.Remove(key)
		n.books.Add(w.heldOf(p))
	}
}

// refresh makes the scheduler's view of the job from its record.
func (w *world) refresh(j *job) {
	j.view = nil
	if len(j.rec.Job.Status.Waiting) == 0 {
		delete(w.timed, j.rec.Job.ID)
		return
	}
	j.view = scheduler.NewJob(j.rec, j.rec.Job.Status.Counts.Live, scheduler.DependencyStatus{})
	if !j.queued {
		j.queued = true
		w.waiting = append(w.waiting, j)
	}
}

// adoptPods gives a job that comes back the pods that are known of it.
func (w *world) adoptPods(j *job, id api.JobID) {
	for key := range w.pods {
		if key.Owner == id {
			j.pods[key] = true
		}
	}
}

func (w *world) dropJob(j *job) {
	id := j.rec.Job.ID
	w.dropNamesake(j.rec)
	for key := range j.pods {
		w.dropPod(w.pods[key])
	}
	for _, d := range j.rec.Dependencies {
		w.unwatch(id, d.On)
	}
	j.view = nil
	delete(w.jobs, id)
	delete(w.timed, id)
	delete(w.dirty, id)
	delete(w.released, id)
	delete(w.corr, id)
	w.cycleDue = true
}

// queue lists the views of the waiting jobs and forgets the stale ones.
func (w *world) queue(now time.Time) []*scheduler.Job {
	live := w.waiting[:0]
	out := make([]*scheduler.Job, 0, len(w.waiting))
	for _, j := range w.waiting {
		if j.view == nil {
			j.queued = false
			continue
		}
		live = append(live, j)
		if len(j.rec.Dependencies) > 0 {
			j.view.Dependency = scheduler.Dependencies(&j.rec.Job.Spec, j.rec.Dependencies, now)
		}
		out = append(out, j.view)
	}
	clear(w.waiting[len(live):])
	w.waiting = live
	return out
}

// view is the world as the scheduler sees it.
func (w *world) view(now time.Time) scheduler.View {
	v := w.nodesView()
	v.Jobs = w.queue(now)
	return v
}

// nodesView is the world without its jobs, for questions that don't depend on them: there may be very
// many.
func (w *world) nodesView() scheduler.View {
	v := scheduler.View{Partitions: w.partitions, QOS: w.qos}
	if w.names == nil {
		w.names = slices.Sorted(maps.Keys(w.nodes))
	}
	for _, name := range w.names {
		v.Nodes = append(v.Nodes, w.nodes[name].books)
	}
	return v
}

// podsOf lists a job's unreleased pods in the order of their keys.
func (w *world) podsOf(j *job) []api.Pod {
	out := make([]api.Pod, 0, len(j.pods))
	for _, key := range slices.SortedFunc(maps.Keys(j.pods), compareKeys) {
		out = append(out, w.pods[key])
	}
	return out
}

func compareKeys(a, b api.PodKey) int {
	return cmp.Or(cmp.Compare(a.Owner, b.Owner), cmp.Compare(a.Index, b.Index), cmp.Compare(a.Rank, b.Rank),
		cmp.Compare(a.Attempt, b.Attempt))
}
