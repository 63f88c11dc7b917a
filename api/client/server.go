package client

import (
	"context"
	"net/http"
)

// Whoami is how the server knows the caller.
type Whoami struct {
	User     string   `json:"user"`
	UID      int64    `json:"uid"`
	Admin    bool     `json:"admin"`
	Accounts []string `json:"accounts,omitempty"`
	Method   string   `json:"method,omitempty"`
}

// ServerVersion is what a server is.
type ServerVersion struct {
	Version string `json:"version"`
	Cluster string `json:"cluster,omitempty"`
	Server  string `json:"server,omitempty"`
	Leading bool   `json:"leading,omitempty"`
}

// Whoami asks the server who the caller is.
func (c *Client) Whoami(ctx context.Context) (Whoami, error) {
	var w Whoami
	err := c.do(ctx, request{method: http.MethodGet, path: "/v1/whoami", out: &w, repeatable: true})
	return w, err
}

// Version asks which server answers.
func (c *Client) Version(ctx context.Context) (ServerVersion, error) {
	var v ServerVersion
	err := c.do(ctx, request{method: http.MethodGet, path: "/v1/version", out: &v, repeatable: true})
	return v, err
}

// Ready asks once, without retries, whether the server and its database serve.
func (c *Client) Ready(ctx context.Context) error {
	return c.once(ctx, request{method: http.MethodGet, path: "/readyz"}, nil)
}
