package store

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/apiserver/store/internal/db"
)

// SubmitParams is a job on its way into the store.
type SubmitParams = api.SubmitParams

// SubmitJob stores a job in one statement. existed says that the request id was served before: the
// job is then the one that was made first.
func (s *Store) SubmitJob(ctx context.Context, p SubmitParams) (job api.Job, existed bool, err error) {
	if p.Size < 1 {
		return api.Job{}, false, api.Errorf(api.CodeInvalid, "a job of %d tasks can't be stored", p.Size)
	}
	job = newJob(p)
	id, err := s.q.SubmitJob(ctx, submitParams(job, p.Submit))
	switch {
	case err == nil:
		job.ID = api.JobID(id)
		s.Ring()
		return job, false, nil
	case noRows(err):
		job, err = s.submittedBefore(ctx, p.Submit)
		return job, err == nil, err
	}
	return api.Job{}, false, interpretError("submit a job", err)
}

// submittedBefore finds the job of a repeated request. A request id of somebody else's is refused:
// it would show his job.
func (s *Store) submittedBefore(ctx context.Context, submit api.JobSubmit) (api.Job, error) {
	row, err := s.q.JobByRequest(ctx, &submit.RequestID)
	if err != nil {
		return api.Job{}, interpretError("find the job of a repeated submit", err)
	}
	if row.UserName != submit.Spec.Owner.User {
		return api.Job{}, api.Errorf(api.CodeExists,
			"request id %s was used by another user; make a new one (a random UUID)", submit.RequestID)
	}
	return jobOf(row), nil
}

func newJob(p SubmitParams) api.Job {
	return api.Job{
		Generation: 1, Spec: p.Submit.Spec,
		Status: api.JobStatus{
			State: api.JobPending, Reason: api.ReasonSubmitted, SubmittedAt: instant(p.Now),
			Waiting: api.Ranges{{From: 0, To: p.Size}}, Counts: api.JobCounts{Waiting: p.Size},
		},
	}
}

func submitParams(job api.Job, submit api.JobSubmit) db.SubmitJobParams {
	p := db.SubmitJobParams{
		UserName: job.Spec.Owner.User, Account: job.Spec.Account, Name: job.Spec.Name, Spec: job.Spec,
		SubmittedAt: job.Status.SubmittedAt, Reason: string(job.Status.Reason), Waiting: job.Status.Waiting,
		Counts: job.Status.Counts, Script: nonNil(submit.Payload.Script),
		Environment: packEnvironment(submit.Payload.Environment), LoginEnv: submit.Payload.LoginEnvironment,
	}
	if submit.RequestID != "" {
		p.RequestID = &submit.RequestID
	}
	for i, d := range job.Spec.Dependencies {
		p.Positions = append(p.Positions, int16(i))
		p.Kinds = append(p.Kinds, string(d.Kind))
		p.OnJobs = append(p.OnJobs, int64(d.On))
		p.OnIndices = append(p.OnIndices, d.OnIndex)
		p.Delays = append(p.Delays, d.DelaySeconds)
	}
	return p
}

func nonNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// packEnvironment ends each entry with a NUL, as environ(7) does: no entry can hold one.
func packEnvironment(entries []string) []byte {
	packed := []byte{}
	for _, e := range entries {
		packed = append(append(packed, e...), 0)
	}
	return packed
}

func unpackEnvironment(packed []byte) []string {
	if len(packed) == 0 {
		return nil
	}
	var entries []string
	for e := range bytes.SplitSeq(packed[:len(packed)-1], []byte{0}) {
		entries = append(entries, string(e))
	}
	return entries
}

// GetJob reads a job.
func (s *Store) GetJob(ctx context.Context, id api.JobID) (api.Job, error) {
	row, err := s.q.GetJob(ctx, int64(id))
	if err != nil {
		return api.Job{}, jobError(id, err)
	}
	return jobOf(row), nil
}

// jobError says which job there isn't.
func jobError(id api.JobID, err error) error {
	if noRows(err) {
		return api.Errorf(api.CodeNotFound, "there is no job %d", id)
	}
	return interpretError(what("read job %d", id), err)
}

// JobByTask finds the instance that has id as its own number: an array task's job and index.
func (s *Store) JobByTask(ctx context.Context, id api.JobID) (api.Instance, error) {
	row, err := s.q.PodByTask(ctx, int64(id))
	if err != nil {
		return api.Instance{}, jobError(id, err)
	}
	return api.Instance{Owner: api.JobID(row.Owner), Index: row.Idx, Rank: row.Rank}, nil
}

// Payload reads the private part of a job.
func (s *Store) Payload(ctx context.Context, id api.JobID) (api.Payload, error) {
	row, err := s.q.GetPayload(ctx, int64(id))
	if err != nil {
		return api.Payload{}, jobError(id, err)
	}
	return payloadOf(row), nil
}

func payloadOf(row db.JobPayload) api.Payload {
	script := row.Script
	if len(script) == 0 {
		script = nil
	}
	return api.Payload{
		Script: script, Environment: unpackEnvironment(row.Environment), LoginEnvironment: row.LoginEnv,
	}
}

// JobIndices reads the instances of a job that differ from it.
func (s *Store) JobIndices(ctx context.Context, id api.JobID) ([]api.JobIndex, error) {
	rows, err := s.q.JobIndices(ctx, []int64{int64(id)}, loadRowsMax)
	if err != nil {
		return nil, interpretError(what("read the differing tasks of job %d", id), err)
	}
	out := make([]api.JobIndex, len(rows))
	for i, row := range rows {
		out[i] = indexOf(row)
	}
	return out, nil
}

// ordinalsMax bounds the rows that one request for single tasks can make.
const ordinalsMax = 10_000

// instances gives ordinals and array indices of some of a job's tasks as lists.
func instances(job db.Job, set api.Ranges) (ordinals, indices []int64, err error) {
	array, err := api.ParseArray(job.Spec.Array)
	if err != nil {
		return nil, nil, fmt.Errorf("read the array of job %d: %w", job.ID, err)
	}
	all := api.Ranges{{From: 0, To: max(array.Len(), 1)}}
	if outside := set.Minus(all); len(outside) > 0 {
		return nil, nil, api.Errorf(api.CodeInvalid, "job %d has %d tasks; there is no task at %s", job.ID,
			all.Len(), outside)
	}
	if n := set.Len(); n > ordinalsMax {
		return nil, nil, api.Errorf(api.CodeLimit,
			"%d tasks at once are over the limit of %d; name fewer, or the whole job", n, ordinalsMax)
	}
	ordinals = slices.Grow(ordinals, int(set.Len()))
	set.Each(func(o int64) bool {
		ordinals = append(ordinals, o)
		indices = append(indices, array.Index(o))
		return true
	})
	return ordinals, indices, nil
}
