package client

import (
	"context"
	"net/http"
	"net/url"

	"github.com/coxswain-hpc/coxswain/api"
)

func nodePath(name string) string { return "/v1/nodes/" + url.PathEscape(name) }

// Nodes reads all nodes.
func (c *Client) Nodes(ctx context.Context) ([]api.Node, error) {
	return list[api.Node](ctx, c, "/v1/nodes")
}

// Node reads one node.
func (c *Client) Node(ctx context.Context, name string) (api.Node, error) {
	var n api.Node
	err := c.do(ctx, request{method: http.MethodGet, path: nodePath(name), out: &n, repeatable: true})
	return n, err
}

// UpdateNode replaces what admins decide about a node; generation 0 overwrites whatever is there.
func (c *Client) UpdateNode(ctx context.Context, name string, spec api.NodeSpec, generation int64) (api.Node, error) {
	var n api.Node
	err := c.do(ctx, request{
		method: http.MethodPatch, path: nodePath(name), in: spec, out: &n, generation: generation,
		repeatable: generation == 0,
	})
	return n, err
}

// DeleteNode forgets a node that is down.
func (c *Client) DeleteNode(ctx context.Context, name string) error {
	return c.do(ctx, request{method: http.MethodDelete, path: nodePath(name), repeatable: true})
}
