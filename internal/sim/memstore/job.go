package memstore

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"time"

	"github.com/coxswain-hpc/coxswain/api"
)

// jobRow is what is stored of a job.
type jobRow struct {
	job           api.Job
	cancelWanted  bool
	cancelBy      string
	requeueWanted int64
	requeueServed int64
	indices       map[int64]indexRow // by ordinal
	dependencies  []dependencyRow
	payload       api.Payload
}

// indexRow is the row of an instance that differs. A requeue is due while wanted differs from seen.
type indexRow struct {
	api.JobIndex
	wanted, seen bool
}

type dependencyRow struct {
	api.Dependency
	met, failed bool
}

// SubmitJob stores a job; a repeated request gives the first one.
func (s *Store) SubmitJob(_ context.Context, p api.SubmitParams) (job api.Job, existed bool, err error) {
	if p.Size < 1 {
		return job, false, api.Errorf(api.CodeInvalid, "a job of %d tasks can't be stored", p.Size)
	}
	err = s.write(func(t *touched) error {
		if id, served := s.requests[p.Submit.RequestID]; served && p.Submit.RequestID != "" {
			job, existed = s.jobs[id].job, true
			if job.Spec.Owner.User != p.Submit.Spec.Owner.User {
				return api.Errorf(api.CodeExists, "request id %s was used by another user", p.Submit.RequestID)
			}
			return nil
		}
		s.lastID++
		job = newJob(s.lastID, p)
		s.insertJob(job, p.Submit)
		t.jobs[job.ID] = true
		return nil
	})
	return job, existed, err
}

func newJob(id api.JobID, p api.SubmitParams) api.Job {
	return api.Job{
		ID: id, Generation: 1, Spec: p.Submit.Spec,
		Status: api.JobStatus{
			State: api.JobPending, Reason: api.ReasonSubmitted, SubmittedAt: instant(p.Now),
			Waiting: api.Ranges{{From: 0, To: p.Size}}, Counts: api.JobCounts{Waiting: p.Size},
		},
	}
}

func (s *Store) insertJob(job api.Job, submit api.JobSubmit) {
	row := &jobRow{job: job, indices: map[int64]indexRow{}, payload: submit.Payload}
	for _, d := range job.Spec.Dependencies {
		row.dependencies = append(row.dependencies, dependencyRow{Dependency: d})
		if s.dependents[d.On] == nil {
			s.dependents[d.On] = map[api.JobID]bool{}
		}
		s.dependents[d.On][job.ID] = true
	}
	if submit.RequestID != "" {
		s.requests[submit.RequestID] = job.ID
	}
	s.jobs[job.ID], s.open[job.ID], s.podsOf[job.ID] = row, true, map[api.PodKey]bool{}
	s.observeJob(api.JobRecord{}, row, 0)
}

func (s *Store) observeJob(before api.JobRecord, row *jobRow, term int64) {
	if s.options.Observer != nil {
		s.options.Observer.JobChanged(before, row.record(), term)
	}
}

// GetJob reads a job.
func (s *Store) GetJob(_ context.Context, id api.JobID) (job api.Job, err error) {
	s.read(func() {
		if row := s.jobs[id]; row != nil {
			job = row.job
			return
		}
		err = noJob(id)
	})
	return job, err
}

func noJob(id api.JobID) error { return api.Errorf(api.CodeNotFound, "there is no job %d", id) }

// changeJob lets do change a copy of an open job's row, raises its generation and stores it. do
// returns false when there is nothing to change.
func (s *Store) changeJob(id api.JobID, do func(row *jobRow, t *touched) (bool, error)) error {
	return s.write(func(t *touched) error {
		have := s.jobs[id]
		if have == nil {
			return noJob(id)
		}
		if have.job.Status.State.Ended() {
			return api.Errorf(api.CodeEnded, "job %d has ended (%s) and can't be changed any more", id,
				have.job.Status.State)
		}
		row := have.clone()
		changed, err := do(row, t)
		if err != nil || !changed {
			return err
		}
		row.job.Generation++
		t.jobs[id] = true
		s.jobs[id] = row
		s.observeJob(have.record(), row, 0)
		return nil
	})
}

func (r *jobRow) clone() *jobRow {
	out := *r
	out.indices = make(map[int64]indexRow, len(r.indices))
	maps.Copy(out.indices, r.indices)
	out.dependencies = slices.Clone(r.dependencies)
	return &out
}

// UpdateJobSpec lets change edit the spec of an open job.
func (s *Store) UpdateJobSpec(
	_ context.Context, id api.JobID, generation int64, _ time.Time, change func(*api.JobSpec) error,
) (out api.Job, err error) {
	err = s.changeJob(id, func(row *jobRow, t *touched) (bool, error) {
		if generation != 0 && generation != row.job.Generation {
			return false, api.Errorf(api.CodeConflict, "job %d has generation %d, not %d: read it again and retry",
				id, row.job.Generation, generation)
		}
		limit := row.job.Spec.TimeLimitSeconds
		spec, err := copySpec(row.job.Spec)
		if err != nil {
			return false, err
		}
		before, err := copySpec(row.job.Spec)
		if err != nil {
			return false, err
		}
		if err := change(&spec); err != nil {
			return false, err
		}
		if row.job.Status.State != api.JobPending && !reflect.DeepEqual(before.Roles, spec.Roles) {
			return false, api.Errorf(api.CodeConflict,
				"job %d has started, so what its pods are can't be changed any more", id)
		}
		row.job.Spec = spec
		out = row.job
		out.Generation++
		if limit != spec.TimeLimitSeconds {
			s.touchLivePods(id, t)
		}
		return true, nil
	})
	return out, err
}

// copySpec is a spec that shares nothing: the old one may have been read by others.
func copySpec(spec api.JobSpec) (out api.JobSpec, err error) {
	data, err := json.Marshal(spec)
	if err == nil {
		err = json.Unmarshal(data, &out)
	}
	if err != nil {
		return out, fmt.Errorf("copy the spec: %w", err)
	}
	return out, nil
}

func (s *Store) touchLivePods(id api.JobID, t *touched) {
	for key := range s.podsOf[id] {
		if p := s.pods[key]; p.Live() && !p.State.Ended() {
			t.pod(p)
		}
	}
}

// CancelJob wishes an end of the job, or of the tasks at the ordinals.
func (s *Store) CancelJob(_ context.Context, id api.JobID, ordinals api.Ranges, by string, _ time.Time) error {
	return s.changeJob(id, func(row *jobRow, _ *touched) (bool, error) {
		if len(ordinals) > 0 {
			return true, row.eachIndex(ordinals, func(x *indexRow) { x.CancelWanted = true })
		}
		if row.cancelWanted {
			return false, nil
		}
		row.cancelWanted, row.cancelBy = true, by
		return true, nil
	})
}

// RequeueJob wishes that running instances start over.
func (s *Store) RequeueJob(_ context.Context, id api.JobID, ordinals api.Ranges, _ string, _ time.Time) error {
	return s.changeJob(id, func(row *jobRow, _ *touched) (bool, error) {
		if len(ordinals) > 0 {
			return true, row.eachIndex(ordinals, func(x *indexRow) { x.wanted = !x.seen })
		}
		row.requeueWanted++
		return true, nil
	})
}

// HoldIndices holds or releases single tasks; no ordinals with held false releases all.
func (s *Store) HoldIndices(_ context.Context, id api.JobID, ordinals api.Ranges, held bool, _ time.Time) error {
	return s.changeJob(id, func(row *jobRow, _ *touched) (bool, error) {
		if held {
			return true, row.eachIndex(ordinals, func(x *indexRow) { x.Hold = true })
		}
		for ordinal, x := range row.indices {
			if len(ordinals) == 0 || ordinals.Has(ordinal) {
				x.Hold = false
				row.indices[ordinal] = x
			}
		}
		return true, nil
	})
}

// eachIndex changes the rows of some tasks, which it makes where there are none.
func (r *jobRow) eachIndex(ordinals api.Ranges, change func(*indexRow)) error {
	array, err := api.ParseArray(r.job.Spec.Array)
	if err != nil {
		return fmt.Errorf("read the array of job %d: %w", r.job.ID, err)
	}
	if outside := ordinals.Minus(api.Ranges{{From: 0, To: array.Len()}}); len(outside) > 0 {
		return api.Errorf(api.CodeInvalid, "job %d has %d tasks; there is no task at %s", r.job.ID, array.Len(),
			outside)
	}
	ordinals.Each(func(o int64) bool {
		x, has := r.indices[o]
		if !has {
			x.JobIndex = api.JobIndex{Instance: api.Instance{Owner: r.job.ID, Index: array.Index(o)}, Ordinal: o}
		}
		change(&x)
		r.indices[o] = x
		return true
	})
	return nil
}
