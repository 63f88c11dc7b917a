package sim

import (
	"reflect"

	"github.com/coxswain-hpc/coxswain/api"
)

// JobChanged implements memstore.Observer.
func (c *checker) JobChanged(before, after api.JobRecord, term int64) {
	c.leads(term)
	if term != 0 {
		c.sim.count("commit")
	}
	id, was, is := after.Job.ID, before.Job.Status, after.Job.Status
	if was.State != is.State || was.Counts != is.Counts {
		c.sim.note("job %d: %s→%s %+v (%s) by term %d", id, was.State, is.State, is.Counts, is.Reason, term)
	}
	if before.Job.ID != 0 {
		c.jobStepped(before, after, term)
	}
	c.jobs[id] = after
	c.touched[id] = true
}

// jobStepped: each writes its own columns, steps are legal, an end is for good, counts only rise.
func (c *checker) jobStepped(before, after api.JobRecord, term int64) {
	id, was, is := after.Job.ID, before.Job.Status, after.Job.Status
	switch {
	case was.State.Ended():
		c.sim.fail("job %d changes after its end", id)
	case was.State != is.State && !was.State.CanStep(is.State):
		c.sim.fail("job %d steps from %s to %s", id, was.State, is.State)
	case term == 0 && !reflect.DeepEqual(was, is):
		c.sim.fail("a user's wish changes the status of job %d", id)
	case term != 0 && (before.Job.Generation != after.Job.Generation || before.RequeueWanted != after.RequeueWanted ||
		before.CancelWanted != after.CancelWanted || !reflect.DeepEqual(before.Job.Spec, after.Job.Spec)):
		c.sim.fail("the leader changes what the user wants of job %d", id)
	case fell(was.Counts, is.Counts):
		c.sim.fail("job %d: ended instances come back: %+v, then %+v", id, was.Counts, is.Counts)
	case was.StartedAt != nil && (is.StartedAt == nil || !was.StartedAt.Equal(*is.StartedAt)):
		c.sim.fail("job %d starts again: its start time changes", id)
	case is.EndedAt != nil && is.StartedAt != nil && is.EndedAt.Before(*is.StartedAt):
		c.sim.fail("job %d started at %s and ended before, at %s", id, *is.StartedAt, *is.EndedAt)
	case !was.SubmittedAt.Equal(is.SubmittedAt):
		c.sim.fail("job %d: its submit time changes", id)
	}
}

func fell(was, is api.JobCounts) bool {
	return is.Completed < was.Completed || is.Failed < was.Failed || is.Timeout < was.Timeout ||
		is.OutOfMemory < was.OutOfMemory || is.NodeFailed < was.NodeFailed || is.Cancelled < was.Cancelled
}

// countsHold: every instance is counted once, and where it is.
func (c *checker) countsHold(rec api.JobRecord) {
	id, st := rec.Job.ID, rec.Job.Status
	array, err := api.ParseArray(rec.Job.Spec.Array)
	if err != nil {
		c.sim.fail("job %d: %w", id, err)
		return
	}
	live := map[int64]int32{}
	for key := range c.liveOf[id] {
		live[c.pods[key].Ordinal]++
	}
	for ordinal, pods := range live {
		if st.Waiting.Has(ordinal) {
			c.sim.fail("job %d: instance %d waits and is live", id, ordinal)
		}
		if want := rec.Job.Spec.Roles[0].Count; pods != want {
			c.sim.fail("job %d: instance %d has %d of %d pods", id, ordinal, pods, want)
		}
	}
	n := st.Counts
	switch {
	case n.Waiting+n.Live+n.Done() != array.Len():
		c.sim.fail("job %d: the counts %+v are not its size %d", id, n, array.Len())
	case n.Waiting != st.Waiting.Len():
		c.sim.fail("job %d: %d wait and %s is stored", id, n.Waiting, st.Waiting)
	case n.Live != int64(len(live)):
		c.sim.fail("job %d: %d are counted live and %d have pods", id, n.Live, len(live))
	case array.Limit > 0 && n.Live > array.Limit:
		c.sim.fail("job %d: %d are live, its limit is %d", id, n.Live, array.Limit)
	case st.State != stateOf(st):
		c.sim.fail("job %d is %s with %+v", id, st.State, n)
	}
}

// stateOf is the state of an open job by its counts; the end of an ended one is judged elsewhere.
func stateOf(st api.JobStatus) api.JobState {
	switch {
	case st.Counts.Waiting+st.Counts.Live == 0:
		if st.State.Ended() {
			return st.State
		}
		return "ended"
	case st.Counts.Live > 0:
		return api.JobRunning
	}
	return api.JobPending
}

// mayStart: nothing forbids the start of a pod that was just bound.
func (c *checker) mayStart(p api.Pod) {
	rec, known := c.jobs[p.Key.Owner]
	spec := rec.Job.Spec
	switch {
	case !known:
		c.sim.fail("pod %s of an unknown job", p.Key)
	case spec.Hold || rec.CancelWanted:
		c.sim.fail("pod %s of a held or cancelled job is bound", p.Key)
	case spec.BeginAt != nil && p.BoundAt.Before(*spec.BeginAt):
		c.sim.fail("pod %s is bound before its begin time", p.Key)
	}
	for _, x := range rec.Indices {
		if x.Ordinal == p.Ordinal && (x.Hold || x.CancelWanted) {
			c.sim.fail("pod %s of a held or cancelled task is bound", p.Key)
		}
	}
	if spec.DependencyAny {
		return
	}
	for _, d := range spec.Dependencies {
		if !c.met(rec, p, d) {
			c.sim.fail("pod %s is bound before its dependency %+v is met", p.Key, d)
		}
	}
}

// met judges one dependency by the jobs as they are.
func (c *checker) met(rec api.JobRecord, p api.Pod, d api.Dependency) bool {
	if d.Kind == api.DependencySingleton {
		return c.isSingle(rec)
	}
	on := c.jobs[d.On]
	st := on.Job.Status
	started, ended, completed := st.StartedAt != nil, st.State.Ended(), st.State == api.JobCompleted
	if d.OnIndex != api.NoIndex {
		started, ended, completed = c.task(on, d.OnIndex)
	}
	switch d.Kind {
	case api.DependencyAfter:
		return started || ended
	case api.DependencyAfterAny:
		return ended
	case api.DependencyAfterOK:
		return completed
	case api.DependencyAfterNotOK:
		return ended && !completed
	case api.DependencyAfterCorr:
		return c.corresponds(p, on)
	case api.DependencySingleton:
	}
	return true
}

// task says where one task of an array is, by its pods. A task that the array does not have counts as
// ended, as an unknown job does.
func (c *checker) task(on api.JobRecord, index int64) (started, ended, completed bool) {
	array, err := api.ParseArray(on.Job.Spec.Array)
	ordinal, has := array.Ordinal(index)
	if err != nil || !has {
		return false, true, false
	}
	for key, p := range c.pods {
		if key.Owner == on.Job.ID && key.Index == index {
			started = true
			completed = completed || p.State == api.PodCompleted
			ended = ended || p.Live()
		}
	}
	live := ended
	return started, !live && !on.Job.Status.Waiting.Has(ordinal), completed
}

// isSingle: no earlier job of the same user and name is open.
func (c *checker) isSingle(rec api.JobRecord) bool {
	for id, other := range c.jobs {
		if id < rec.Job.ID && !other.Job.Status.State.Ended() && other.Job.Spec.Name == rec.Job.Spec.Name &&
			other.Job.Spec.Owner.User == rec.Job.Spec.Owner.User {
			return false
		}
	}
	return true
}

// corresponds: the task of the same index has completed; for jobs that are no arrays the whole job.
func (c *checker) corresponds(p api.Pod, on api.JobRecord) bool {
	if p.Key.Index == api.NoIndex || on.Job.Spec.Array == "" {
		return on.Job.Status.State == api.JobCompleted
	}
	for key, other := range c.pods {
		if key.Owner == on.Job.ID && key.Index == p.Key.Index && other.State == api.PodCompleted {
			return true
		}
	}
	return false
}
