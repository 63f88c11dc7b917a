package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"

	"github.com/coxswain-hpc/coxswain/api"
)

// PodFilter chooses pods; empty fields choose all that the caller may see.
type PodFilter struct {
	Job   api.JobID
	Index *int64
	Node  string
	User  string
	// Live chooses pods that hold resources (true) or have given them back (false).
	Live  *bool
	Limit int
	Page  string
}

// Pods reads one page of pods.
func (c *Client) Pods(ctx context.Context, f PodFilter) (Page[api.Pod], error) {
	q := url.Values{}
	set(q, "node", f.Node)
	set(q, "user", f.User)
	set(q, "page", f.Page)
	if f.Job != 0 {
		q.Set("job", f.Job.String())
	}
	if f.Index != nil {
		q.Set("index", strconv.FormatInt(*f.Index, 10))
	}
	if f.Live != nil {
		q.Set("live", strconv.FormatBool(*f.Live))
	}
	if f.Limit > 0 {
		q.Set("limit", strconv.Itoa(f.Limit))
	}
	path := "/v1/pods"
	if f.Job != 0 {
		path = jobPath(f.Job, "/pods")
		q.Del("job")
	}
	var page Page[api.Pod]
	err := c.do(ctx, request{method: http.MethodGet, path: path, query: q, out: &page, repeatable: true})
	return page, err
}

// AllPods reads page after page until there are limit pods or no more.
func (c *Client) AllPods(ctx context.Context, f PodFilter, limit int) ([]api.Pod, error) {
	var all []api.Pod
	for {
		page, err := c.Pods(ctx, f)
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
