package store

import (
	"context"
	"fmt"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/apiserver/store/internal/db"
)

// jobsAndDependents reads the jobs and those that wait for them: what a dependent knows of the
// other job changed with it.
func jobsAndDependents(ctx context.Context, q *db.Queries, ids []int64) ([]db.Job, error) {
	dependents, err := q.Dependents(ctx, ids, loadJobsMax)
	if err != nil {
		return nil, fmt.Errorf("read dependent jobs: %w", err)
	}
	jobs, err := q.JobsByIDs(ctx, append(dependents, ids...), loadJobsMax)
	if err != nil {
		return nil, fmt.Errorf("read changed jobs: %w", err)
	}
	return jobs, nil
}

// records adds to jobs what the leader needs beside them.
func records(ctx context.Context, q *db.Queries, jobs []db.Job) ([]api.JobRecord, error) {
	if len(jobs) == 0 {
		return nil, nil
	}
	out := make([]api.JobRecord, len(jobs))
	ids := make([]int64, len(jobs))
	at := make(map[int64]*api.JobRecord, len(jobs))
	for i, job := range jobs {
		out[i], ids[i] = recordOf(job), job.ID
		at[job.ID] = &out[i]
	}
	indices, err := q.JobIndices(ctx, ids, loadRowsMax)
	if err != nil {
		return nil, fmt.Errorf("read the instances that differ: %w", err)
	}
	for _, row := range indices {
		rec := at[row.JobID]
		rec.Indices = append(rec.Indices, indexOf(row))
	}
	return out, addDependencies(ctx, q, ids, at)
}

func addDependencies(ctx context.Context, q *db.Queries, ids []int64, at map[int64]*api.JobRecord) error {
	rows, err := q.Dependencies(ctx, ids, loadRowsMax)
	if err != nil {
		return fmt.Errorf("read dependencies: %w", err)
	}
	tasks, err := readTasks(ctx, q, rows)
	if err != nil {
		return err
	}
	for _, row := range rows {
		rec := at[row.JobDependency.JobID]
		rec.Dependencies = append(rec.Dependencies, tasks.apply(row))
	}
	return nil
}

// taskKey names an array task.
type taskKey struct{ job, index int64 }

// taskStates is what is known of the tasks that dependencies look at.
type taskStates struct {
	jobs map[int64]db.Job
	last map[taskKey]db.Pod
}

// readTasks reads nothing when no dependency names a single task, as is usual.
func readTasks(ctx context.Context, q *db.Queries, rows []db.DependenciesRow) (taskStates, error) {
	t := taskStates{jobs: map[int64]db.Job{}, last: map[taskKey]db.Pod{}}
	var jobs, indices []int64
	for _, row := range rows {
		if d := row.JobDependency; d.OnIndex >= 0 && row.OnState != nil {
			jobs, indices = append(jobs, d.OnJob), append(indices, d.OnIndex)
		}
	}
	if len(jobs) == 0 {
		return t, nil
	}
	others, err := q.JobsByIDs(ctx, jobs, loadRowsMax)
	if err != nil {
		return t, fmt.Errorf("read jobs that others wait for: %w", err)
	}
	for _, job := range others {
		t.jobs[job.ID] = job
	}
	pods, err := q.LastAttempts(
		ctx, db.LastAttemptsParams{Owners: jobs, Indices: indices, MaxRows: loadRowsMax},
	)
	if err != nil {
		return t, fmt.Errorf("read tasks that others wait for: %w", err)
	}
	for _, p := range pods {
		t.last[taskKey{p.Pod.Owner, p.Pod.Idx}] = p.Pod
	}
	return t, nil
}

// apply gives the dependency with the state of what it looks at.
func (t taskStates) apply(row db.DependenciesRow) api.DependencyState {
	d := row.JobDependency
	out := api.DependencyState{
		Dependency: api.Dependency{
			Kind: api.DependencyKind(d.Kind), On: api.JobID(d.OnJob),
			OnIndex: d.OnIndex, DelaySeconds: d.DelaySeconds,
		},
		Met: d.Verdict == "met", Failed: d.Verdict == "failed",
		OnStartedAt: row.OnStartedAt, OnEndedAt: row.OnEndedAt,
	}
	if row.OnState != nil {
		out.OnState = api.JobState(*row.OnState)
	}
	if job, ok := t.jobs[d.OnJob]; ok && d.OnIndex >= 0 {
		t.applyTask(&out, job, taskKey{d.OnJob, d.OnIndex})
	}
	return out
}

// applyTask derives a task's state from its job and its last pod.
func (t taskStates) applyTask(out *api.DependencyState, job db.Job, key taskKey) {
	array, err := api.ParseArray(job.Spec.Array)
	ordinal, ok := array.Ordinal(key.index)
	out.OnStartedAt, out.OnEndedAt = nil, nil
	if err != nil || !ok {
		out.OnState = "" // the array has no such task
		return
	}
	pod, placed := t.last[key]
	if placed {
		out.OnStartedAt = pod.StartedAt
	}
	switch {
	case job.Waiting.Has(ordinal):
		out.OnState = api.JobPending
	case placed && pod.ReleasedAt == nil:
		out.OnState = api.JobRunning
	case placed:
		out.OnState, out.OnEndedAt = api.PodState(pod.State).TaskEnd(), pod.EndedAt
	default: // neither waiting nor ever placed: it was cancelled while it waited
		out.OnState, out.OnEndedAt = api.JobCancelled, job.EndedAt
	}
}
