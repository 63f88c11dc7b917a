package client

import (
	"context"
	"net/http"
	"net/url"

	"github.com/coxswain-hpc/coxswain/api"
)

// TokenRequest asks for a token. Use is "user" or "join"; User (default the caller) only for the
// first, TTLSeconds 0 takes the server's default.
type TokenRequest struct {
	Use        string `json:"use"`
	User       string `json:"user,omitempty"`
	TTLSeconds int64  `json:"ttl_seconds,omitempty"`
	Comment    string `json:"comment,omitempty"`
}

// NewToken is a token with its secret text, which is shown this once. URL and CAHash are what its
// holder needs on another machine; they are empty where the server has no network listener.
type NewToken struct {
	api.Token
	Text    string `json:"token"`
	Cluster string `json:"cluster"`
	URL     string `json:"server_url,omitempty"`
	CAHash  string `json:"ca_hash,omitempty"`
}

// CreateToken makes a token.
func (c *Client) CreateToken(ctx context.Context, r TokenRequest) (NewToken, error) {
	var t NewToken
	err := c.doOnce(ctx, request{method: http.MethodPost, path: "/v1/tokens", in: r, out: &t})
	return t, err
}

// Tokens reads the caller's tokens; admins see all.
func (c *Client) Tokens(ctx context.Context) ([]api.Token, error) {
	return list[api.Token](ctx, c, "/v1/tokens")
}

// RevokeToken makes a token useless.
func (c *Client) RevokeToken(ctx context.Context, id string) error {
	return c.do(ctx, request{method: http.MethodDelete, path: "/v1/tokens/" + url.PathEscape(id), repeatable: true})
}
