package store

import (
	"context"
	"fmt"
	"reflect"
	"time"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/apiserver/store/internal/db"
)

// This file has what users change about a job: the spec and the wishes to cancel, requeue and
// hold. Each raises the generation, so that the leader's plan for the old job is refused.

// UpdateJobSpec lets change edit the spec of an open job. A generation other than 0 must be the
// job's, else ErrConflict. Live pods are told when their time limit changes.
func (s *Store) UpdateJobSpec(
	ctx context.Context, id api.JobID, generation int64, now time.Time, change func(*api.JobSpec) error,
) (api.Job, error) {
	var out api.Job
	err := s.changeJob(ctx, id, now, func(q *db.Queries, job db.Job, touched *api.Touched) error {
		if generation != 0 && generation != job.Generation {
			return api.Errorf(api.CodeConflict,
				"job %d has generation %d, not %d: read it again and retry", id, job.Generation, generation)
		}
		limit, roles := job.Spec.TimeLimitSeconds, job.Spec.Roles
		if err := change(&job.Spec); err != nil {
			return err
		}
		if job.State != string(api.JobPending) && !reflect.DeepEqual(roles, job.Spec.Roles) {
			// Its nodes take the limits from the spec, the leader's books have the old ones.
			return api.Errorf(api.CodeConflict, "job %d has started, so what its pods are can't be changed any more",
				id)
		}
		err := q.UpdateJobSpec(ctx, db.UpdateJobSpecParams{
			Spec: job.Spec, Name: job.Spec.Name, Account: job.Spec.Account,
			ID: job.ID, Generation: job.Generation,
		})
		if err != nil {
			return fmt.Errorf("update the spec: %w", err)
		}
		job.Generation++
		out = jobOf(job)
		if limit == job.Spec.TimeLimitSeconds {
			return nil
		}
		return touchLivePods(ctx, q, job.ID, touched)
	})
	return out, err
}

// touchLivePods names the job's live pods, whose nodes have to learn something.
func touchLivePods(ctx context.Context, q *db.Queries, owner int64, touched *api.Touched) error {
	rows, err := q.LivePodKeysOfJob(ctx, owner, loadPodsMax)
	if err != nil {
		return fmt.Errorf("read the job's live pods: %w", err)
	}
	nodes := map[string]bool{}
	for _, r := range rows {
		touched.Pods = append(touched.Pods, podKey(r.Owner, r.Idx, r.Rank, r.Attempt))
		nodes[r.Node] = true
	}
	touched.Nodes = append(touched.Nodes, sortedKeys(nodes)...)
	return nil
}

// CancelJob wishes an end: of the whole job, or of the tasks at the ordinals. Repeating the wish
// changes nothing.
func (s *Store) CancelJob(ctx context.Context, id api.JobID, ordinals api.Ranges, by string, now time.Time) error {
	return s.changeJob(ctx, id, now, func(q *db.Queries, job db.Job, _ *api.Touched) error {
		if len(ordinals) > 0 {
			rows, indices, err := instances(job, ordinals)
			if err != nil {
				return err
			}
			err = q.WantIndexCancel(
				ctx, db.WantIndexCancelParams{JobID: job.ID, Ordinals: rows, Indices: indices},
			)
			return wished(ctx, q, job, err, now, by, "cancel of tasks "+ordinals.String()+" asked for")
		}
		if job.CancelWanted {
			return errRollback
		}
		_, err := q.WantCancel(ctx, db.WantCancelParams{CancelBy: by, ID: job.ID, Generation: job.Generation})
		return addEvent(ctx, q, err, jobEvent(job.ID, now, api.ReasonCancelled, by, "cancel asked for"))
	})
}

// RequeueJob wishes that running instances start over: all of the job, or those at the ordinals.
func (s *Store) RequeueJob(ctx context.Context, id api.JobID, ordinals api.Ranges, by string, now time.Time) error {
	return s.changeJob(ctx, id, now, func(q *db.Queries, job db.Job, _ *api.Touched) error {
		if len(ordinals) > 0 {
			rows, indices, err := instances(job, ordinals)
			if err != nil {
				return err
			}
			err = q.WantIndexRequeue(
				ctx, db.WantIndexRequeueParams{JobID: job.ID, Ordinals: rows, Indices: indices},
			)
			return wished(ctx, q, job, err, now, by, "requeue of tasks "+ordinals.String()+" asked for")
		}
		_, err := q.WantRequeue(ctx, job.ID, job.Generation)
		return addEvent(ctx, q, err, jobEvent(job.ID, now, api.ReasonRequeued, by, "requeue asked for"))
	})
}

// HoldIndices holds or releases single tasks; no ordinals with held=false releases all that are
// held one by one.
func (s *Store) HoldIndices(ctx context.Context, id api.JobID, ordinals api.Ranges, held bool, now time.Time) error {
	return s.changeJob(ctx, id, now, func(q *db.Queries, job db.Job, _ *api.Touched) error {
		rows, indices, err := instances(job, ordinals)
		if err != nil {
			return err
		}
		if held {
			err = q.HoldIndices(ctx, db.HoldIndicesParams{JobID: job.ID, Ordinals: rows, Indices: indices})
		} else {
			err = q.ReleaseIndices(ctx, db.ReleaseIndicesParams{
				JobID: job.ID, AllOfThem: len(rows) == 0, Ordinals: rows,
			})
		}
		return raise(ctx, q, job, err)
	})
}

// changeJob locks an open job, lets do change it and names it in the feed.
func (s *Store) changeJob(
	ctx context.Context, id api.JobID, now time.Time, do func(*db.Queries, db.Job, *api.Touched) error,
) error {
	err := s.write(ctx, what("change job %d", id), now, func(q *db.Queries, touched *api.Touched) error {
		job, err := q.LockJob(ctx, int64(id))
		if err != nil {
			return jobError(id, err)
		}
		if job.EndedAt != nil {
			return api.Errorf(
				api.CodeEnded, "job %d has ended (%s) and can't be changed any more", id, job.State,
			)
		}
		touched.Jobs = append(touched.Jobs, id)
		return do(q, job, touched)
	})
	if isRollback(err) {
		return nil
	}
	return err
}

// raise raises the generation of a locked job after its instances' rows were written.
func raise(ctx context.Context, q *db.Queries, job db.Job, err error) error {
	if err != nil {
		return fmt.Errorf("write the tasks' rows: %w", err)
	}
	_, err = q.RaiseJobGeneration(ctx, job.ID, job.Generation)
	return err
}

func wished(ctx context.Context, q *db.Queries, job db.Job, err error, now time.Time, by, message string) error {
	if err := raise(ctx, q, job, err); err != nil {
		return err
	}
	return addEvent(ctx, q, nil, jobEvent(job.ID, now, api.ReasonNone, by, message))
}
