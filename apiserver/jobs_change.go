package apiserver

import (
	"context"
	"net/http"
	"time"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/apiserver/authn"
	"github.com/coxswain-hpc/coxswain/apiserver/authz"
	"github.com/coxswain-hpc/coxswain/apiserver/store"
)

// jobIndices is the body of an action: which array tasks, empty for the whole job.
type jobIndices struct {
	Indices string `json:"indices,omitempty" doc:"Array indices such as 1-4,7; empty for the whole job"`
}

type jobSignal struct {
	Signal    string `json:"signal" doc:"A name such as USR1"`
	BatchOnly bool   `json:"batch_only,omitempty" doc:"Only to the main process instead of all of the pod's"`
	Indices   string `json:"indices,omitempty"`
}

type jobAction struct {
	JobPath
	optionalBody[jobIndices]
}

type jobUpdate struct {
	JobPath
	IfMatchHeader
	body[api.JobUpdate]
}

type jobSignalInput struct {
	JobPath
	body[jobSignal]
}

func (s *Server) jobChangeOperations() {
	handle(s, operation("update-job", http.MethodPatch, "/v1/jobs/{id}", "Change a job"), s.updateJob)
	handle(s, operation("cancel-job", http.MethodPost, "/v1/jobs/{id}/cancel",
		"End a job or some of its array tasks"), s.cancelJob)
	handle(s, operation("hold-job", http.MethodPost, "/v1/jobs/{id}/hold",
		"Keep a job or some of its array tasks from starting"), s.holdJob)
	handle(s, operation("release-job", http.MethodPost, "/v1/jobs/{id}/release", "Undo a hold"), s.releaseJob)
	handle(s, operation("requeue-job", http.MethodPost, "/v1/jobs/{id}/requeue",
		"Stop running instances and let them start again"), s.requeueJob)
	handle(s, operation("signal-job", http.MethodPost, "/v1/jobs/{id}/signal",
		"Send a signal to running pods"), s.signalJob)
}

// target is what an action on a job is about.
type target struct {
	job   api.Job
	array api.Array
	// ordinals are those that the request names; empty stands for the whole job.
	ordinals api.Ranges
	caller   authn.Caller
	now      time.Time
}

// target finds the job, checks that the caller may change it, and reads the indices.
func (s *Server) target(ctx context.Context, id, indices string) (target, error) {
	job, index, err := s.jobAndIndex(ctx, id)
	if err != nil {
		return target{}, err
	}
	t := target{job: job, caller: authn.CallerOf(ctx), now: s.clock.Now()}
	if err := authz.MayChange(t.caller, job.Spec.Owner.User, "job "+job.ID.String()); err != nil {
		return target{}, err
	}
	if t.array, err = api.ParseArray(job.Spec.Array); err != nil {
		return target{}, err
	}
	switch {
	case indices != "":
		t.ordinals, err = ordinalsOf(job, t.array, indices)
	case index != api.NoIndex:
		ordinal, _ := t.array.Ordinal(index)
		t.ordinals = api.RangesOf(api.Range{From: ordinal, To: ordinal + 1})
	}
	return t, err
}

func ordinalsOf(job api.Job, array api.Array, indices string) (api.Ranges, error) {
	if !array.IsArray() {
		return nil, api.Errorf(api.CodeInvalid, "job %d is no array, so it has no tasks %s", job.ID, indices)
	}
	wanted, err := api.ParseIndices(indices)
	if err != nil {
		return nil, err
	}
	ordinals := array.Ordinals(wanted)
	if len(ordinals) == 0 {
		return nil, api.Errorf(api.CodeNotFound, "job %d has no array tasks %s", job.ID, indices)
	}
	return ordinals, nil
}

func (s *Server) cancelJob(ctx context.Context, in *jobAction) (*reply[api.Job], error) {
	t, err := s.action(ctx, in)
	if err != nil {
		return nil, err
	}
	return s.changed(ctx, t, s.store.CancelJob(ctx, t.job.ID, t.ordinals, t.caller.Name(), t.now))
}

func (s *Server) action(ctx context.Context, in *jobAction) (target, error) {
	request, err := in.decode()
	if err != nil {
		return target{}, err
	}
	return s.target(ctx, in.ID, request.Indices)
}

// changed answers with the job as it is after the change.
func (s *Server) changed(ctx context.Context, t target, err error) (*reply[api.Job], error) {
	if err != nil {
		return nil, err
	}
	return ok(s.store.GetJob(ctx, t.job.ID))
}

func (s *Server) requeueJob(ctx context.Context, in *jobAction) (*reply[api.Job], error) {
	t, err := s.action(ctx, in)
	if err != nil {
		return nil, err
	}
	if err := requeueable(t); err != nil {
		return nil, err
	}
	return s.changed(ctx, t, s.store.RequeueJob(ctx, t.job.ID, t.ordinals, t.caller.Name(), t.now))
}

// requeueable says whether a requeue would do anything, and whether the job permits one.
func requeueable(t target) error {
	switch {
	case t.job.Spec.NoRequeue:
		return api.Errorf(api.CodeConflict, "job %d was submitted with --no-requeue, so it is never requeued", t.job.ID)
	case !t.job.Status.State.Ended() && t.job.Status.Counts.Live == 0:
		return api.Errorf(api.CodeConflict, "nothing of job %d runs now, so there is nothing to requeue", t.job.ID)
	}
	return nil
}

func (s *Server) holdJob(ctx context.Context, in *jobAction) (*reply[api.Job], error) {
	t, err := s.action(ctx, in)
	if err != nil {
		return nil, err
	}
	if len(t.ordinals) > 0 {
		return s.changed(ctx, t, s.store.HoldIndices(ctx, t.job.ID, t.ordinals, true, t.now))
	}
	byAdmin := t.caller.Identity.User != t.job.Spec.Owner.User
	return ok(s.store.UpdateJobSpec(ctx, t.job.ID, 0, t.now, func(spec *api.JobSpec) error {
		spec.Hold, spec.HeldByAdmin = true, spec.HeldByAdmin || byAdmin
		return nil
	}))
}

func (s *Server) releaseJob(ctx context.Context, in *jobAction) (*reply[api.Job], error) {
	t, err := s.action(ctx, in)
	if err != nil {
		return nil, err
	}
	if len(t.ordinals) > 0 {
		if t.job.Spec.Hold {
			return nil, api.Errorf(api.CodeConflict, "job %d is held as a whole, "+
				"so its tasks can't be released one by one: "+
				"release the job", t.job.ID)
		}
		return s.changed(ctx, t, s.store.HoldIndices(ctx, t.job.ID, t.ordinals, false, t.now))
	}
	_, err = s.store.UpdateJobSpec(ctx, t.job.ID, 0, t.now,
		func(spec *api.JobSpec) error { return release(spec, t.caller) })
	if err == nil && t.array.IsArray() {
		err = s.store.HoldIndices(ctx, t.job.ID, nil, false, t.now) // those that are held one by one
	}
	return s.changed(ctx, t, err)
}

func release(spec *api.JobSpec, caller authn.Caller) error {
	if spec.HeldByAdmin && !caller.Admin {
		return api.Errorf(api.CodeForbidden, "an admin holds this job; only an admin may release it")
	}
	spec.Hold, spec.HeldByAdmin = false, false
	return nil
}

// signalPodsMax bounds the pods that one signal request reaches.
const signalPodsMax = 10_000

func (s *Server) signalJob(ctx context.Context, in *jobSignalInput) (*reply[api.Job], error) {
	request, err := in.decode()
	if err != nil {
		return nil, err
	}
	name, err := signalName(request.Signal)
	if err != nil {
		return nil, err
	}
	t, err := s.target(ctx, in.ID, request.Indices)
	if err != nil {
		return nil, err
	}
	keys, err := s.liveKeys(ctx, t)
	if err != nil {
		return nil, err
	}
	if len(keys) == 0 {
		return nil, api.Errorf(api.CodeConflict, "nothing of job %d runs now that could take a signal",
			t.job.ID)
	}
	return ok(t.job, s.store.SignalPods(ctx, keys, name, request.BatchOnly, t.now))
}

// liveKeys lists the pods of the target that have not ended.
func (s *Server) liveKeys(ctx context.Context, t target) ([]api.PodKey, error) {
	var keys []api.PodKey
	live := true
	filter := store.PodFilter{Owner: t.job.ID, Live: &live, Limit: pageMax}
	for len(keys) < signalPodsMax {
		pods, next, err := s.store.ListPods(ctx, filter)
		if err != nil {
			return nil, err
		}
		for _, p := range pods {
			if !p.State.Ended() && (len(t.ordinals) == 0 || t.ordinals.Has(p.Ordinal)) {
				keys = append(keys, p.Key)
			}
		}
		if next == "" {
			return keys, nil
		}
		filter.Page = next
	}
	return nil, api.Errorf(api.CodeLimit, "more than %d pods of job %d run; name array tasks", signalPodsMax,
		t.job.ID)
}
