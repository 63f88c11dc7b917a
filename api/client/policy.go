package client

import (
	"context"
	"net/http"
	"net/url"

	"github.com/coxswain-hpc/coxswain/api"
)

// list reads a whole collection, page by page.
func list[T any](ctx context.Context, c *Client, path string) ([]T, error) {
	var all []T
	q := url.Values{}
	for {
		var page Page[T]
		r := request{method: http.MethodGet, path: path, query: q, out: &page, repeatable: true}
		if err := c.do(ctx, r); err != nil {
			return nil, err
		}
		all = append(all, page.Items...)
		if page.NextPage == "" {
			return all, nil
		}
		q.Set("page", page.NextPage)
	}
}

// Noun is the client of one named kind of policy object: T the object, S its spec.
type Noun[T, S any] struct {
	c    *Client
	path string
}

// Accounts is the tree of accounts.
func (c *Client) Accounts() Noun[api.Account, api.AccountSpec] {
	return Noun[api.Account, api.AccountSpec]{c, "/v1/accounts"}
}

// Users is the people.
func (c *Client) Users() Noun[api.User, api.UserSpec] {
	return Noun[api.User, api.UserSpec]{c, "/v1/users"}
}

// QOS is the policy levels.
func (c *Client) QOS() Noun[api.QOS, api.QOSSpec] { return Noun[api.QOS, api.QOSSpec]{c, "/v1/qos"} }

// Partitions is the named sets of nodes.
func (c *Client) Partitions() Noun[api.Partition, api.PartitionSpec] {
	return Noun[api.Partition, api.PartitionSpec]{c, "/v1/partitions"}
}

func (n Noun[T, S]) at(name string) string { return n.path + "/" + url.PathEscape(name) }

// List reads all.
func (n Noun[T, S]) List(ctx context.Context) ([]T, error) { return list[T](ctx, n.c, n.path) }

// Get reads one.
func (n Noun[T, S]) Get(ctx context.Context, name string) (T, error) {
	var v T
	err := n.c.do(ctx, request{method: http.MethodGet, path: n.at(name), out: &v, repeatable: true})
	return v, err
}

// Put creates one or replaces its spec; a generation other than 0 refuses (conflict) if it changed.
func (n Noun[T, S]) Put(ctx context.Context, name string, spec S, generation int64) (T, error) {
	var v T
	err := n.c.do(ctx, request{
		method: http.MethodPut, path: n.at(name), in: spec, out: &v, generation: generation,
		repeatable: generation == 0,
	})
	return v, err
}

// Delete removes one.
func (n Noun[T, S]) Delete(ctx context.Context, name string) error {
	return n.c.do(ctx, request{method: http.MethodDelete, path: n.at(name), repeatable: true})
}
