package client

import (
	"context"
	"net/http"
	"net/url"

	"github.com/coxswain-hpc/coxswain/api"
)

// EventFilter chooses events by the object that they are about.
type EventFilter struct {
	Kind   api.Kind
	Object string
	Page   string
}

// Events reads one page of events, oldest first.
func (c *Client) Events(ctx context.Context, f EventFilter) (Page[api.Event], error) {
	q := url.Values{}
	set(q, "kind", string(f.Kind))
	set(q, "object", f.Object)
	set(q, "page", f.Page)
	var page Page[api.Event]
	err := c.do(ctx, request{method: http.MethodGet, path: "/v1/events", query: q, out: &page, repeatable: true})
	return page, err
}
