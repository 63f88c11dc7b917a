package client

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/internal/clock"
)

// Bounds of a client.
const (
	// RetryMax is how long a request waits for a server or database that is away.
	RetryMax = 2 * time.Minute
	// dialTimeout bounds the making of one connection.
	dialTimeout = 10 * time.Second
	// unixScheme begins the address of a local server.
	unixScheme = "unix://"
)

// Options say where the server is and who asks.
type Options struct {
	// Server is unix:///path/to/socket or https://host:port. It must be set.
	Server string
	// Token is a bearer token; unused on a Unix socket, where the kernel names the caller.
	Token string
	// CAPEM is the cluster's certificate authority; CAHash instead pins the authority by the hash
	// that a join token carries (hexadecimal, the first digits suffice). Neither: the machine's roots.
	CAPEM  []byte
	CAHash string
	// RetryFor replaces RetryMax; negative means that nothing is repeated.
	RetryFor time.Duration
	// Notify is called, at most once per outage, with a sentence for the user.
	Notify func(message string)
	// UserAgent names the program, such as cox/0.1.0.
	UserAgent string
	// Clock replaces the machine's, for tests.
	Clock clock.Clock
}

// Client talks to one cluster. It is safe for concurrent use.
type Client struct {
	base     string // http://cox or https://host:port, without a slash at the end
	server   string // as people know it
	http     *http.Client
	trusts   string // whose certificates count, in words; empty are the machine's authorities
	token    string
	agent    string
	retryFor time.Duration
	notify   func(string)
	clock    clock.Clock
}

// New returns a client; it makes no connection yet.
func New(o Options) (*Client, error) {
	c := &Client{
		server: o.Server, token: o.Token, agent: o.UserAgent, retryFor: o.RetryFor, notify: o.Notify,
		clock: o.Clock,
	}
	if c.retryFor == 0 {
		c.retryFor = RetryMax
	}
	if c.clock == nil {
		c.clock = clock.Real{}
	}
	if c.notify == nil {
		c.notify = func(string) {}
	}
	if path, ok := strings.CutPrefix(o.Server, unixScheme); ok {
		c.base, c.token = "http://cox", ""
		c.http = &http.Client{Transport: unixTransport(path)}
		return c, nil
	}
	u, err := url.Parse(o.Server)
	if err != nil || u.Scheme != "https" || u.Host == "" {
		return nil, api.Errorf(api.CodeInvalid,
			"%q is no server address; write https://host:port, or unix:///path for a local socket", o.Server)
	}
	config, err := tlsConfig(o)
	if err != nil {
		return nil, err
	}
	c.base = "https://" + u.Host
	switch {
	case len(o.CAPEM) > 0:
		c.trusts = "the certificate authority that was given for it"
	case o.CAHash != "":
		c.trusts = "the certificate authority with the given hash"
	}
	c.http = &http.Client{Transport: tlsTransport(config)}
	return c, nil
}

// Server is the address that the client was made for.
func (c *Client) Server() string { return c.server }

// Close drops idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

func unixTransport(path string) *http.Transport {
	dialer := net.Dialer{Timeout: dialTimeout}
	return &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, "unix", path)
		},
		DisableCompression: true,
	}
}

// tlsTransport stays with HTTP/1.1: a WebSocket can then go on over the connection of the request
// before it, which saves an attached run a handshake.
func tlsTransport(config *tls.Config) *http.Transport {
	return &http.Transport{
		DialContext:     (&net.Dialer{Timeout: dialTimeout, KeepAlive: 15 * time.Second}).DialContext,
		TLSClientConfig: config,
		Proxy:           http.ProxyFromEnvironment,
	}
}
