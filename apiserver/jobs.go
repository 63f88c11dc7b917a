package apiserver

import (
	"context"
	"net/http"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/apiserver/authn"
	"github.com/coxswain-hpc/coxswain/apiserver/authz"
	"github.com/coxswain-hpc/coxswain/apiserver/store"
)

const (
	// pageDefault and pageMax bound the objects of one page of a list.
	pageDefault = 100
	pageMax     = 1000
	// idsMax bounds the ids that one list may name.
	idsMax = 1000
)

// page is one page of a list; next_page is empty at the end.
type page[T any] struct {
	Items    []T    `json:"items"`
	NextPage string `json:"next_page,omitempty" doc:"Give it back as ?page= for the next page"`
}

// Paging is the part of a list's query that all lists share.
type Paging struct {
	Limit int    `query:"limit" minimum:"0" maximum:"1000" doc:"At most so many objects; default 100"`
	Page  string `query:"page" maxLength:"512" doc:"next_page of the page before"`
}

func (p Paging) limit() int {
	if p.Limit == 0 {
		return pageDefault
	}
	return min(p.Limit, pageMax)
}

func okPage[T any](items []T, next string, err error) (*reply[page[T]], error) {
	if items == nil {
		items = []T{}
	}
	return ok(page[T]{Items: items, NextPage: next}, err)
}

// JobPath is the id of a job in a path; the number of an array task finds the task's job. It is
// exported since huma sees only embedded types that are.
type JobPath struct {
	ID string `path:"id" doc:"The job's number; an array task's own number finds its job"`
}

// trilean is a query parameter that is true, false or absent.
type trilean string

func (t trilean) pointer() *bool {
	if t == "" {
		return nil
	}
	v := t == "true"
	return &v
}

type jobList struct {
	User      string  `query:"user"`
	Account   string  `query:"account"`
	Partition string  `query:"partition"`
	Name      string  `query:"name"`
	State     string  `query:"state" doc:"States, separated by commas"`
	Ended     trilean `query:"ended" enum:"true,false" doc:"Only ended jobs, or only those that have not"`
	IDs       string  `query:"ids" doc:"Job numbers, separated by commas"`
	Paging
}

func (s *Server) jobOperations() {
	submit := operation("submit-job", http.MethodPost, "/v1/jobs", "Submit a job")
	submit.DefaultStatus, submit.MaxBodyBytes = http.StatusCreated, submitBodyMax
	handle(s, submit, s.submitJob)
	handle(s, operation("list-jobs", http.MethodGet, "/v1/jobs", "List jobs, newest first"), s.listJobs)
	handle(s, operation("get-job", http.MethodGet, "/v1/jobs/{id}", "Read a job"), s.getJob)
	handle(s, operation("explain-job", http.MethodGet, "/v1/jobs/{id}/why",
		"Explain why a job waits, or why it ended so"), s.explainJob)
	handle(s, operation("get-job-payload", http.MethodGet, "/v1/jobs/{id}/payload",
		"Read a job's script and environment; its owner alone may"), s.jobPayload)
	handle(s, operation("list-job-pods", http.MethodGet, "/v1/jobs/{id}/pods",
		"List a job's pods, every attempt"), s.listJobPods)
}

func (s *Server) listJobs(ctx context.Context, in *jobList) (*reply[page[api.Job]], error) {
	filter := store.JobFilter{
		User: in.User, Account: in.Account, Partition: in.Partition, Name: in.Name, Ended: in.Ended.pointer(),
		Limit: in.limit(), Page: in.Page,
	}
	var wrong fieldErrors
	filter.States = parseStates(in.State, &wrong)
	filter.IDs = parseIDs(in.IDs, &wrong)
	if err := wrong.err("the list can't be filtered so"); err != nil {
		return nil, err
	}
	jobs, next, err := s.store.ListJobs(ctx, filter)
	return okPage(jobs, next, err)
}

func parseStates(text string, wrong *fieldErrors) []api.JobState {
	words := splitList(text)
	out := make([]api.JobState, 0, len(words))
	for _, word := range words {
		known := false
		for _, state := range api.JobStates() {
			known = known || string(state) == word
		}
		if !known {
			wrong.add("state", strconv.Quote(word)+" is no state of a job")
		}
		out = append(out, api.JobState(word))
	}
	return out
}

func parseIDs(text string, wrong *fieldErrors) []api.JobID {
	words := splitList(text)
	if len(words) > idsMax {
		wrong.add("ids", "are more than "+strconv.Itoa(idsMax))
		return nil
	}
	var out []api.JobID
	for _, word := range words {
		id, err := api.ParseJobID(word)
		wrong.addError("ids", err)
		out = append(out, id)
	}
	return out
}

func splitList(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(text, ",")
}

func (s *Server) getJob(ctx context.Context, in *JobPath) (*versioned[api.Job], error) {
	job, err := s.job(ctx, in.ID)
	return okVersion(job, job.Generation, err)
}

// job finds the job that a path names, by its number or by that of one of its array tasks.
func (s *Server) job(ctx context.Context, text string) (api.Job, error) {
	job, _, err := s.jobAndIndex(ctx, text)
	return job, err
}

// jobAndIndex also says which array task the number stands for, or api.NoIndex.
func (s *Server) jobAndIndex(ctx context.Context, text string) (api.Job, int64, error) {
	id, err := api.ParseJobID(text)
	if err != nil {
		return api.Job{}, api.NoIndex, err
	}
	job, err := s.store.GetJob(ctx, id)
	if api.CodeOf(err) != api.CodeNotFound {
		return job, api.NoIndex, err
	}
	owner, taskErr := s.store.JobByTask(ctx, id)
	if api.CodeOf(taskErr) == api.CodeNotFound {
		return api.Job{}, api.NoIndex, api.Errorf(api.CodeNotFound, "there is no job %d", id)
	}
	if taskErr != nil {
		return api.Job{}, api.NoIndex, taskErr
	}
	job, err = s.store.GetJob(ctx, owner.Owner)
	return job, owner.Index, err
}

type explainInput struct {
	JobPath
	Index string `query:"index" doc:"The array index; absent for the whole job"`
}

// parseIndex reads an array index of the query; absent is fallback.
func parseIndex(text string, fallback int64) (int64, error) {
	if text == "" {
		return fallback, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < api.NoIndex {
		return 0, api.Errorf(api.CodeInvalid, "index must be an array index, not %q", text)
	}
	return n, nil
}

// indexOf checks that the job has the index: an array one of its own, another job none.
func indexOf(job api.Job, index int64) error {
	array, err := api.ParseArray(job.Spec.Array)
	if err != nil {
		return err
	}
	if _, has := array.Ordinal(index); has || index == api.NoIndex {
		return nil
	}
	if !array.IsArray() {
		return api.Errorf(api.CodeNotFound, "job %d is no array", job.ID)
	}
	return api.Errorf(api.CodeNotFound, "job %d has no array task %d", job.ID, index)
}

func (s *Server) explainJob(ctx context.Context, in *explainInput) (*reply[api.Explanation], error) {
	job, index, err := s.jobAndIndex(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	if index, err = parseIndex(in.Index, index); err != nil {
		return nil, err
	}
	if err := indexOf(job, index); err != nil {
		return nil, err
	}
	if s.options.Explainer == nil {
		return ok(storedExplanation(job, index), nil)
	}
	explanation, err := s.explain(ctx, job.ID, index)
	if code := api.CodeOf(err); code == api.CodeNotLeader || code == api.CodeNotFound {
		stored := storedExplanation(job, index)
		stored.At = s.clock.Now()
		return ok(stored, nil)
	}
	return ok(explanation, err)
}

// storedExplanation says what the job's row says, for when no leader answers.
func storedExplanation(job api.Job, index int64) api.Explanation {
	e := api.Explanation{
		Job: job.ID, Index: index, State: string(job.Status.State), Summary: job.Status.Why(),
		Reasons: []api.ExplainReason{}, At: job.Status.SubmittedAt,
	}
	if job.Status.Reason != api.ReasonNone {
		e.Reasons = append(e.Reasons,
			api.ExplainReason{Reason: job.Status.Reason, Message: job.Status.Why()})
	}
	if e.Summary == "" {
		e.Summary = "the job is " + e.State
	}
	return e
}

func (s *Server) jobPayload(ctx context.Context, in *JobPath) (*reply[api.Payload], error) {
	job, err := s.job(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	if err := authz.MayRead(authn.CallerOf(ctx), job.Spec.Owner.User,
		"the payload of job "+job.ID.String()); err != nil {
		return nil, err
	}
	return ok(s.store.Payload(ctx, job.ID))
}

type jobPodList struct {
	JobPath
	Index string  `query:"index" doc:"Only the pods of this array index"`
	Live  trilean `query:"live" enum:"true,false"`
	Paging
}

func (s *Server) listJobPods(ctx context.Context, in *jobPodList) (*reply[page[api.Pod]], error) {
	job, index, err := s.jobAndIndex(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	filter := store.PodFilter{Owner: job.ID, Live: in.Live.pointer(), Limit: in.limit(), Page: in.Page}
	if in.Index != "" || index != api.NoIndex {
		if index, err = parseIndex(in.Index, index); err != nil {
			return nil, err
		}
		filter.Index = &index
	}
	pods, next, err := s.store.ListPods(ctx, filter)
	return okPage(pods, next, err)
}

var _ huma.StatusError = (*Problem)(nil)
