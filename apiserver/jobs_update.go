package apiserver

import (
	"context"
	"strconv"
	"strings"

	"github.com/coxswain-hpc/coxswain/api"
)

func (s *Server) updateJob(ctx context.Context, in *jobUpdate) (*versioned[api.Job], error) {
	change, err := in.decode()
	if err != nil {
		return nil, err
	}
	generation, err := in.generation()
	if err != nil {
		return nil, err
	}
	t, err := s.target(ctx, in.ID, "")
	if err != nil {
		return nil, err
	}
	if change.Partition != nil {
		if _, err := s.policy.partition(ctx, *change.Partition); err != nil {
			return nil, fieldError("partition", err)
		}
	}
	if change.QOS != nil {
		if _, err := s.policy.qosByName(ctx, *change.QOS); err != nil {
			return nil, fieldError("qos", err)
		}
	}
	partition, err := s.policy.partition(ctx, orElse(change.Partition, t.job.Spec.Partition))
	if err != nil {
		return nil, fieldError("partition", err)
	}
	job, err := s.store.UpdateJobSpec(ctx, t.job.ID, generation, t.now, func(spec *api.JobSpec) error {
		return applyUpdate(spec, change, updater{target: t, partition: partition})
	})
	return okVersion(job, job.Generation, err)
}

// updater is who changes a job, and by what it is measured.
type updater struct {
	target
	partition api.Partition
}

func orElse[T any](p *T, fallback T) T {
	if p != nil {
		return *p
	}
	return fallback
}

func fieldError(field string, err error) error {
	code := api.CodeOf(err)
	if code != api.CodeNotFound {
		return err
	}
	return &api.Error{
		Code: api.CodeInvalid, Message: err.Error(),
		Fields: []api.FieldError{{Field: field, Message: err.Error()}},
	}
}

// applyUpdate changes the spec as asked, or says what is wrong with the request.
func applyUpdate(spec *api.JobSpec, u api.JobUpdate, by updater) error {
	var wrong fieldErrors
	if u.Name != nil {
		checkName("name", *u.Name, &wrong)
		spec.Name = *u.Name
	}
	if u.Comment != nil {
		checkText("comment", *u.Comment, &wrong)
		spec.Comment = *u.Comment
	}
	if u.BeginAt != nil {
		begin := u.BeginAt.UTC()
		spec.BeginAt = &begin
	}
	if u.Nice != nil {
		checkRange("nice", *u.Nice, -niceMax, niceMax, &wrong)
	}
	updatePartition(spec, u, by, &wrong)
	if u.QOS != nil {
		spec.QOS = *u.QOS
	}
	updateTime(spec, u, by, &wrong)
	updateArrayLimit(spec, u, by, &wrong)
	updateRequests(spec, u, by, &wrong)
	if err := wrong.err("the job can't be changed so"); err != nil {
		return err
	}
	return updatePriority(spec, u, by)
}

// updatePriority holds what only admins may do.
func updatePriority(spec *api.JobSpec, u api.JobUpdate, by updater) error {
	if u.Nice != nil {
		if *u.Nice < spec.Nice && !by.caller.Admin {
			return api.Errorf(api.CodeForbidden, "only an admin may lower a job's nice value")
		}
		spec.Nice = *u.Nice
	}
	switch {
	case u.Hold == nil:
		return nil
	case *u.Hold:
		spec.Hold = true
		spec.HeldByAdmin = spec.HeldByAdmin || by.caller.Identity.User != spec.Owner.User
		return nil
	}
	return release(spec, by.caller)
}

// updatePartition moves what waits; the time limit must be one that the other partition allows.
func updatePartition(spec *api.JobSpec, u api.JobUpdate, by updater, wrong *fieldErrors) {
	if u.Partition == nil || by.partition.Name == spec.Partition {
		return
	}
	if by.job.Status.Counts.Waiting == 0 {
		wrong.add("partition", "can only be changed while something of the job waits")
	}
	if u.TimeLimitSeconds == nil {
		checkTimeLimit("time_limit_seconds", spec.TimeLimitSeconds, by.partition, wrong)
	}
	spec.Partition = by.partition.Name
}

func updateTime(spec *api.JobSpec, u api.JobUpdate, by updater, wrong *fieldErrors) {
	if u.TimeLimitSeconds == nil {
		return
	}
	limit := *u.TimeLimitSeconds
	if by.job.Status.State == api.JobRunning && limit > spec.TimeLimitSeconds && !by.caller.Admin {
		wrong.add("time_limit_seconds", "of a running job may only be raised by an admin")
	}
	checkTimeLimit("time_limit_seconds", limit, by.partition, wrong)
	spec.TimeLimitSeconds = limit
}

func updateArrayLimit(spec *api.JobSpec, u api.JobUpdate, by updater, wrong *fieldErrors) {
	if u.ArrayLimit == nil {
		return
	}
	if !by.array.IsArray() || *u.ArrayLimit < 0 {
		wrong.add("array_limit", "needs an array job, and is 0 (no limit) or more")
		return
	}
	expression, _, _ := strings.Cut(spec.Array, "%")
	if *u.ArrayLimit > 0 {
		expression += "%" + strconv.FormatInt(*u.ArrayLimit, 10)
	}
	spec.Array = expression
}

func updateRequests(spec *api.JobSpec, u api.JobUpdate, by updater, wrong *fieldErrors) {
	if u.Requests == nil {
		return
	}
	if by.job.Status.State != api.JobPending {
		wrong.add("requests", "can only be changed while all of the job waits")
		return
	}
	checkResources("requests", *u.Requests, wrong)
	roles := append([]api.Role(nil), spec.Roles...)
	for i := range roles {
		containers := append([]api.Container(nil), roles[i].Template.Containers...)
		for j := range containers {
			if containers[j].Main {
				replaceRequests(&containers[j], *u.Requests)
			}
		}
		roles[i].Template.Containers = containers
	}
	spec.Roles = roles
}

// replaceRequests takes over what is asked for; what is not (0) stays as it was, since a limit of 0
// would be none.
func replaceRequests(c *api.Container, r api.Resources) {
	if r.CPUMillis > 0 {
		c.Requests.CPUMillis, c.Limits.CPUMillis = r.CPUMillis, r.CPUMillis
	}
	if r.MemoryBytes > 0 {
		c.Requests.MemoryBytes, c.Limits.MemoryBytes = r.MemoryBytes, r.MemoryBytes
		c.WholeNodeMemory = false
	}
}
