package memstore

import (
	"context"
	"slices"

	"github.com/coxswain-hpc/coxswain/api"
)

// record is the row as the leader reads it, without what its dependencies look at.
func (r *jobRow) record() api.JobRecord {
	out := api.JobRecord{
		Job: r.job, CancelWanted: r.cancelWanted, CancelBy: r.cancelBy,
		RequeueWanted: r.requeueWanted, RequeueServed: r.requeueServed,
	}
	for _, ordinal := range sortedKeys(r.indices) {
		x := r.indices[ordinal]
		x.RequeueWanted = x.wanted != x.seen
		out.Indices = append(out.Indices, x.JobIndex)
	}
	for _, d := range r.dependencies {
		out.Dependencies = append(out.Dependencies,
			api.DependencyState{Dependency: d.Dependency, Met: d.met, Failed: d.failed})
	}
	return out
}

// records reads jobs in the order of their ids; unknown ones are left out.
func (s *Store) records(ids []api.JobID) []api.JobRecord {
	ids = slices.Clone(ids)
	slices.Sort(ids)
	var out []api.JobRecord
	for _, id := range slices.Compact(ids) {
		row := s.jobs[id]
		if row == nil {
			continue
		}
		rec := row.record()
		for i := range rec.Dependencies {
			s.look(&rec.Dependencies[i])
		}
		out = append(out, rec)
	}
	return out
}

// look fills in what is known of the job that a dependency looks at.
func (s *Store) look(d *api.DependencyState) {
	on := s.jobs[d.On]
	if on == nil {
		return
	}
	st := on.job.Status
	d.OnState, d.OnStartedAt, d.OnEndedAt = st.State, st.StartedAt, st.EndedAt
	if d.OnIndex >= 0 {
		s.lookAtTask(d, on)
	}
}

// lookAtTask derives a task's state from its job and its last pod.
func (s *Store) lookAtTask(d *api.DependencyState, on *jobRow) {
	d.OnStartedAt, d.OnEndedAt = nil, nil
	array, err := api.ParseArray(on.job.Spec.Array)
	ordinal, has := array.Ordinal(d.OnIndex)
	if err != nil || !has {
		d.OnState = ""
		return
	}
	pod, placed := s.lastAttempt(d.On, d.OnIndex)
	if placed {
		d.OnStartedAt = pod.StartedAt
	}
	switch {
	case on.job.Status.Waiting.Has(ordinal):
		d.OnState = api.JobPending
	case placed && pod.Live():
		d.OnState = api.JobRunning
	case placed:
		d.OnState, d.OnEndedAt = pod.State.TaskEnd(), pod.EndedAt
	default: // it was cancelled while it waited
		d.OnState, d.OnEndedAt = api.JobCancelled, on.job.Status.EndedAt
	}
}

func (s *Store) lastAttempt(owner api.JobID, index int64) (last api.Pod, placed bool) {
	for key := range s.podsOf[owner] {
		if key.Index == index && (!placed || key.Attempt > last.Key.Attempt) {
			last, placed = s.pods[key], true
		}
	}
	return last, placed
}

// pod reads a pod as others see it: its time limit is the job's of today.
func (s *Store) pod(key api.PodKey) api.Pod {
	p := s.pods[key]
	p.TimeLimitSeconds = s.jobs[key.Owner].job.Spec.TimeLimitSeconds
	return p
}

// livePods reads the unreleased pods of some jobs, in the order of their keys.
func (s *Store) livePods(ids []api.JobID) []api.Pod {
	keys := map[api.PodKey]bool{}
	for _, id := range ids {
		for key := range s.podsOf[id] {
			keys[key] = s.live[key]
		}
	}
	var out []api.Pod
	for _, key := range sortedPods(keys) {
		if keys[key] {
			out = append(out, s.pod(key))
		}
	}
	return out
}

// Jobs reads current records of some jobs with their unreleased pods.
func (s *Store) Jobs(_ context.Context, ids []api.JobID) (recs []api.JobRecord, pods []api.Pod, err error) {
	s.read(func() { recs, pods = s.records(ids), s.livePods(ids) })
	return recs, pods, nil
}

// CompletedOrdinals reads which instances of a job have a completed pod.
func (s *Store) CompletedOrdinals(_ context.Context, id api.JobID) (out api.Ranges, err error) {
	s.read(func() {
		var list []api.Range
		for key := range s.podsOf[id] {
			if p := s.pods[key]; p.State == api.PodCompleted {
				list = append(list, api.Range{From: p.Ordinal, To: p.Ordinal + 1})
			}
		}
		out = api.RangesOf(list...)
	})
	return out, nil
}

// Everything reads all jobs and pods, ended and released ones too: it is for checkers.
func (s *Store) Everything() (jobs []api.JobRecord, pods []api.Pod) {
	s.read(func() {
		jobs = s.records(sortedKeys(s.jobs))
		for _, key := range sortedPods(s.pods) {
			pods = append(pods, s.pod(key))
		}
	})
	return jobs, pods
}
