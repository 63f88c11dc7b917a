package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/coxswain-hpc/coxswain/api"
)

// Page is one page of a list. NextPage is empty at the end, else the Page of the next request.
type Page[T any] struct {
	Items    []T    `json:"items"`
	NextPage string `json:"next_page,omitempty"`
}

// JobFilter chooses jobs; empty fields choose all that the caller may see.
type JobFilter struct {
	User, Account, Partition, Name string
	States                         []api.JobState
	// Ended chooses ended (true) or waiting and running (false) jobs.
	Ended *bool
	IDs   []api.JobID
	// Limit bounds the page, 0 takes the server's; Page goes on where another page ended.
	Limit int
	Page  string
}

func (f JobFilter) query() url.Values {
	q := url.Values{}
	set(q, "user", f.User)
	set(q, "account", f.Account)
	set(q, "partition", f.Partition)
	set(q, "name", f.Name)
	set(q, "state", join(f.States))
	set(q, "ids", joinIDs(f.IDs))
	set(q, "page", f.Page)
	if f.Ended != nil {
		q.Set("ended", strconv.FormatBool(*f.Ended))
	}
	if f.Limit > 0 {
		q.Set("limit", strconv.Itoa(f.Limit))
	}
	return q
}

func set(q url.Values, name, value string) {
	if value != "" {
		q.Set(name, value)
	}
}

func join[T ~string](list []T) string {
	parts := make([]string, len(list))
	for i, v := range list {
		parts[i] = string(v)
	}
	return strings.Join(parts, ",")
}

func joinIDs(ids []api.JobID) string {
	parts := make([]string, len(ids))
	for i, id := range ids {
		parts[i] = id.String()
	}
	return strings.Join(parts, ",")
}

func jobPath(id api.JobID, rest string) string { return "/v1/jobs/" + id.String() + rest }

// SubmitJob submits a job. With a RequestID it may be repeated: the same job comes back.
func (c *Client) SubmitJob(ctx context.Context, s api.JobSubmit) (api.Job, error) {
	var job api.Job
	err := c.do(ctx, request{
		method: http.MethodPost, path: "/v1/jobs", in: s, out: &job, repeatable: s.RequestID != "",
	})
	return job, err
}

// Job reads a job; the number of an array task finds the task's job.
func (c *Client) Job(ctx context.Context, id api.JobID) (api.Job, error) {
	var job api.Job
	err := c.do(ctx, request{method: http.MethodGet, path: jobPath(id, ""), out: &job, repeatable: true})
	return job, err
}

// Jobs reads one page of jobs.
func (c *Client) Jobs(ctx context.Context, f JobFilter) (Page[api.Job], error) {
	var page Page[api.Job]
	err := c.do(ctx, request{method: http.MethodGet, path: "/v1/jobs", query: f.query(), out: &page, repeatable: true})
	return page, err
}

// AllJobs reads page after page until there are limit jobs or no more.
func (c *Client) AllJobs(ctx context.Context, f JobFilter, limit int) ([]api.Job, error) {
	var all []api.Job
	for {
		page, err := c.Jobs(ctx, f)
		if err != nil {
			return nil, err
		}
		all = append(all, page.Items...)
		if page.NextPage == "" || len(all) >= limit {
			return all[:min(len(all), limit)], nil
		}
		f.Page = page.NextPage
	}
}

// UpdateJob changes a job. A generation other than 0 refuses the change (conflict) if the job was
// changed since.
func (c *Client) UpdateJob(ctx context.Context, id api.JobID, u api.JobUpdate, generation int64) (api.Job, error) {
	var job api.Job
	err := c.do(ctx, request{
		method: http.MethodPatch, path: jobPath(id, ""), in: u, out: &job, generation: generation,
		repeatable: generation == 0,
	})
	return job, err
}

// jobAction is the body of the actions on a job.
type jobAction struct {
	Indices   string `json:"indices,omitempty"`
	Signal    string `json:"signal,omitempty"`
	BatchOnly bool   `json:"batch_only,omitempty"`
}

func (c *Client) act(ctx context.Context, id api.JobID, action string, body jobAction, repeatable bool) error {
	r := request{method: http.MethodPost, path: jobPath(id, "/"+action), in: body, repeatable: repeatable}
	if !repeatable {
		return c.doOnce(ctx, r)
	}
	return c.do(ctx, r)
}

// CancelJob ends a job, or with indices ("1-4,7") some tasks of it.
func (c *Client) CancelJob(ctx context.Context, id api.JobID, indices string) error {
	return c.act(ctx, id, "cancel", jobAction{Indices: indices}, true)
}

// HoldJob keeps waiting instances from starting.
func (c *Client) HoldJob(ctx context.Context, id api.JobID, indices string) error {
	return c.act(ctx, id, "hold", jobAction{Indices: indices}, true)
}

// ReleaseJob undoes HoldJob.
func (c *Client) ReleaseJob(ctx context.Context, id api.JobID, indices string) error {
	return c.act(ctx, id, "release", jobAction{Indices: indices}, true)
}

// RequeueJob stops running instances and lets them start again. It is not repeated by itself: two
// requeues are two restarts.
func (c *Client) RequeueJob(ctx context.Context, id api.JobID, indices string) error {
	return c.act(ctx, id, "requeue", jobAction{Indices: indices}, false)
}

// SignalJob sends a signal to the running instances, with batchOnly to their main process alone.
func (c *Client) SignalJob(ctx context.Context, id api.JobID, indices, signal string, batchOnly bool) error {
	return c.act(ctx, id, "signal", jobAction{Indices: indices, Signal: signal, BatchOnly: batchOnly}, false)
}

// Why explains why a job, or one task of it (index, else api.NoIndex), waits or ended as it did.
func (c *Client) Why(ctx context.Context, id api.JobID, index int64) (api.Explanation, error) {
	q := url.Values{}
	if index != api.NoIndex {
		q.Set("index", strconv.FormatInt(index, 10))
	}
	var e api.Explanation
	err := c.do(ctx, request{method: http.MethodGet, path: jobPath(id, "/why"), query: q, out: &e, repeatable: true})
	return e, err
}

// JobPayload reads the script and environment; only the owner may.
func (c *Client) JobPayload(ctx context.Context, id api.JobID) (api.Payload, error) {
	var p api.Payload
	err := c.do(ctx, request{method: http.MethodGet, path: jobPath(id, "/payload"), out: &p, repeatable: true})
	return p, err
}
