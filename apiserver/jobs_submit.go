package apiserver

import (
	"context"
	"net/http"
	"slices"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/apiserver/authn"
)

// submitBodyMax bounds a submit: the script's and the environment's limits, in base64 and JSON.
const submitBodyMax int64 = 16 << 20

type submitInput struct{ body[api.JobSubmit] }

// submitted is a job with 201, or 200 if a repeated request found the job of the first.
type submitted struct {
	Status int
	Body   api.Job
}

// submitJob stores a job: defaults filled, everything checked, in one transaction.
func (s *Server) submitJob(ctx context.Context, in *submitInput) (*submitted, error) {
	request, err := in.decode()
	if err != nil {
		return nil, err
	}
	caller := authn.CallerOf(ctx)
	submission, err := s.prepare(ctx, caller, &request)
	if err != nil {
		return nil, err
	}
	params := api.SubmitParams{Submit: request, Size: submission.array.Len(), Now: s.clock.Now()}
	job, existed, err := s.store.SubmitJob(ctx, params)
	switch {
	case err != nil:
		return nil, err
	case !existed:
		return &submitted{Status: http.StatusCreated, Body: job}, nil
	case job.Spec.Owner.User != caller.Identity.User:
		return nil, api.Errorf(api.CodeConflict, "request_id belongs to another request; make a new one")
	}
	return &submitted{Status: http.StatusOK, Body: job}, nil
}

// submission is a request on its way to become a job.
type submission struct {
	request   *api.JobSubmit
	spec      *api.JobSpec
	caller    authn.Caller
	partition api.Partition
	array     api.Array
	wrong     fieldErrors
}

// prepare brings the request to its final form: who, which policy, which defaults; then it checks
// all fields at once, and last what needs the store.
func (s *Server) prepare(ctx context.Context, caller authn.Caller, request *api.JobSubmit) (*submission, error) {
	sub := &submission{request: request, spec: &request.Spec, caller: caller}
	sub.fillOwner()
	if sub.spec.Owner.UID == 0 && !s.options.AllowRootJobs {
		return nil, api.Errorf(api.CodeForbidden, "jobs don't run as root here; submit as an ordinary user "+
			"(the server's option --allow-root-jobs would permit it)")
	}
	if err := s.fillPolicy(ctx, sub); err != nil {
		return nil, err
	}
	sub.fillDefaults()
	s.noteMail(sub)
	sub.check()
	if err := sub.wrong.err("the job can't be accepted"); err != nil {
		return nil, err
	}
	if sub.spec.Nice < 0 && !caller.Admin {
		return nil, api.Errorf(api.CodeForbidden, "only an admin may submit with a negative nice value")
	}
	if err := s.resolveDependencies(ctx, sub.spec); err != nil {
		return nil, err
	}
	if sub.spec.AllowFutureNodes {
		return sub, nil
	}
	return sub, s.checkFeasible(ctx, *sub.spec)
}

// fillOwner sets what the caller's identity decides; nothing that the request says about it counts.
func (b *submission) fillOwner() {
	b.spec.Owner = b.caller.Identity
	b.spec.Notes = nil
	b.spec.HeldByAdmin = false
}

// fillPolicy finds account, partition and QOS, named or default.
func (s *Server) fillPolicy(ctx context.Context, sub *submission) error {
	spec := sub.spec
	var err error
	if sub.partition, err = s.policy.partition(ctx, spec.Partition); err != nil {
		if err := sub.policyError("spec.partition", err); err != nil {
			return err
		}
	} else {
		spec.Partition = sub.partition.Name
	}
	if spec.QOS == "" {
		spec.QOS = api.DefaultName
	}
	if _, err := s.policy.qosByName(ctx, spec.QOS); err != nil {
		if err := sub.policyError("spec.qos", err); err != nil {
			return err
		}
	}
	return s.fillAccount(ctx, sub)
}

func (s *Server) fillAccount(ctx context.Context, sub *submission) error {
	spec, user := sub.spec, sub.caller.User.Spec
	if spec.Account == "" {
		spec.Account = user.DefaultAccount
	}
	if spec.Account == "" {
		sub.wrong.add("spec.account",
			"has no default for "+sub.caller.Identity.User+"; name one, or ask the admin")
		return nil
	}
	if _, err := s.policy.account(ctx, spec.Account); err != nil {
		return sub.policyError("spec.account", err)
	}
	if !sub.caller.Admin && !contains(user.Accounts, spec.Account) {
		return api.Errorf(api.CodeForbidden, "%s is no member of the account %s", sub.caller.Identity.User,
			spec.Account)
	}
	return nil
}

// policyError notes an unknown name under its field; it returns other errors.
func (b *submission) policyError(field string, err error) error {
	if api.CodeOf(err) != api.CodeNotFound {
		return err
	}
	b.wrong.add(field, err.Error())
	return nil
}

func contains[T comparable](list []T, x T) bool {
	return slices.Contains(list, x)
}

// resolveDependencies checks that the jobs exist, in one query, and turns the own number of an array
// task into job and index.
func (s *Server) resolveDependencies(ctx context.Context, spec *api.JobSpec) error {
	ids := make([]api.JobID, 0, len(spec.Dependencies))
	for _, d := range spec.Dependencies {
		if d.On != 0 {
			ids = append(ids, d.On)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	found, err := s.jobsByID(ctx, ids)
	if err != nil {
		return err
	}
	var wrong fieldErrors
	for i := range spec.Dependencies {
		if err := s.resolveDependency(ctx, &spec.Dependencies[i], found); err != nil {
			if code := api.CodeOf(err); code != api.CodeNotFound {
				return err
			}
			wrong.add(dependencyField(i), err.Error())
		}
	}
	return wrong.err("the job can't be accepted")
}

func (s *Server) resolveDependency(ctx context.Context, d *api.Dependency, found map[api.JobID]api.Job) error {
	if d.Kind == api.DependencySingleton {
		return nil
	}
	job, known := found[d.On]
	if !known {
		other, index, err := s.jobAndIndex(ctx, d.On.String())
		if err != nil {
			return err
		}
		job, d.On, d.OnIndex = other, other.ID, index
	}
	if job.Spec.Array == "" {
		d.OnIndex = api.NoIndex
	}
	return indexOf(job, d.OnIndex)
}
