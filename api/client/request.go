package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/internal/clock"
)

// Bounds of one request.
const (
	responseBytesMax = 256 << 20 // a page of jobs is far below; a broken server must not fill us up
	retryPauseMin    = 50 * time.Millisecond
	retryPauseMax    = 2 * time.Second
	// slowAfter is how long an answer may take before the caller is told that it is waited for.
	slowAfter = 3 * time.Second
)

// request is one call of the API.
type request struct {
	method string
	path   string // with /v1
	query  url.Values
	in     any // JSON body, nil for none
	out    any // decoded answer, nil for none
	// repeatable: running it twice is the same as running it once.
	repeatable bool
	// generation is sent as If-Match unless it is 0.
	generation int64
}

// do runs the request, again and again while the server is away and that is allowed.
func (c *Client) do(ctx context.Context, r request) error {
	var body []byte
	if r.in != nil {
		var err error
		if body, err = json.Marshal(r.in); err != nil {
			return fmt.Errorf("encode request to %s: %w", r.path, err)
		}
	}
	return c.retry(ctx, r.repeatable, func() error { return c.once(ctx, r, body) })
}

// doOnce runs a request that must not run twice. It first waits until the server and its database serve,
// so that an outage makes it wait with a message like any other.
func (c *Client) doOnce(ctx context.Context, r request) error {
	err := c.do(ctx, request{method: http.MethodGet, path: "/readyz", repeatable: true})
	if err != nil && (ctx.Err() != nil || errors.Is(err, api.ErrUnavailable)) {
		return err
	}
	return c.do(ctx, r)
}

// retry calls f until it succeeds, fails for good, or the time for retries is over.
func (c *Client) retry(ctx context.Context, repeatable bool, f func() error) error {
	deadline := c.clock.Boot() + c.retryFor
	told := false
	for pause := retryPauseMin; ; pause = min(2*pause, retryPauseMax) {
		err := f()
		if err == nil || ctx.Err() != nil || !mayRetry(err, repeatable) {
			return err
		}
		if c.clock.Boot()+pause > deadline {
			return err
		}
		if !told && pause > 4*retryPauseMin { // a short hiccup is nobody's business
			c.notify(fmt.Sprintf("waiting for the server: %s", err))
			told = true
		}
		if clock.Sleep(ctx, c.clock, pause) != nil {
			return err
		}
	}
}

// mayRetry: what never left this machine may always be repeated, what may have taken effect only
// if that does no harm.
func mayRetry(err error, repeatable bool) bool {
	if errors.Is(err, fs.ErrNotExist) {
		return false // no socket: nobody serves here, and nobody is expected to
	}
	if errors.Is(err, syscall.ECONNREFUSED) {
		return true
	}
	return repeatable && errors.Is(err, api.ErrUnavailable)
}

func (c *Client) once(ctx context.Context, r request, body []byte) error {
	req, err := c.newRequest(ctx, r, body)
	if err != nil {
		return err
	}
	answered := c.tellSlow()
	res, err := c.http.Do(req) //nolint:bodyclose // drain closes it
	answered()
	if err != nil {
		return c.transportError(ctx, err)
	}
	defer drain(res.Body)
	if res.StatusCode >= http.StatusBadRequest {
		return decodeProblem(res)
	}
	if r.out == nil || res.StatusCode == http.StatusNoContent {
		return nil
	}
	if err := json.NewDecoder(io.LimitReader(res.Body, responseBytesMax)).Decode(r.out); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return api.Errorf(api.CodeUnavailable, "the answer of %s to %s %s broke off: %w", c.server, r.method, r.path,
			err)
	}
	return nil
}

// tellSlow tells the caller when an answer takes long, until the returned function is called.
func (c *Client) tellSlow() (answered func()) {
	done, ended := make(chan struct{}), make(chan struct{})
	timer := c.clock.NewTimer(slowAfter)
	go func() {
		defer close(ended)
		defer timer.Stop()
		select {
		case <-timer.C:
			c.notify(fmt.Sprintf("waiting for the server: no answer for %s", slowAfter))
		case <-done:
		}
	}()
	return func() {
		close(done)
		<-ended
	}
}

func (c *Client) newRequest(ctx context.Context, r request, body []byte) (*http.Request, error) {
	target := c.base + r.path
	if len(r.query) > 0 {
		target += "?" + r.query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, r.method, target, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("make request %s %s: %w", r.method, r.path, err)
	}
	c.header(req.Header)
	if r.in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if r.generation != 0 {
		req.Header.Set("If-Match", strconv.Quote(strconv.FormatInt(r.generation, 10)))
	}
	return req, nil
}

func (c *Client) header(h http.Header) {
	if c.token != "" {
		h.Set("Authorization", "Bearer "+c.token)
	}
	if c.agent != "" {
		h.Set("User-Agent", c.agent)
	}
}

// drain reads the rest of a body, so that its connection can be used again.
func drain(body io.ReadCloser) {
	io.Copy(io.Discard, io.LimitReader(body, 1<<16)) //nolint:errcheck // only for the connection's sake
	body.Close()                                     //nolint:errcheck // nothing was written
}

// transportError says in the user's words why no answer came.
func (c *Client) transportError(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("ask %s: %w", c.server, context.Cause(ctx))
	}
	if inner, ok := errors.AsType[*url.Error](err); ok {
		err = inner.Err
	}
	if distrusted := c.distrust(err); distrusted != nil {
		return distrusted
	}
	path, local := strings.CutPrefix(c.server, unixScheme)
	switch {
	case local && errors.Is(err, fs.ErrNotExist):
		return api.Errorf(api.CodeUnavailable, "no cluster runs at %s: start one with `cox up`: %w", path, err)
	case local && errors.Is(err, fs.ErrPermission):
		return &api.Error{Code: api.CodeForbidden, Message: "you may not connect to " + path, Cause: err}
	case errors.Is(err, syscall.ECONNREFUSED):
		return api.Errorf(api.CodeUnavailable, "nobody answers at %s (connection refused): %w", c.server,
			unwrapDial(err))
	}
	return api.Errorf(api.CodeUnavailable, "no answer from %s: %w", c.server, unwrapDial(err))
}

// unwrapDial drops "dial tcp …" in front of the reason, which the sentence says already.
func unwrapDial(err error) error {
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "dial" {
		return op.Err
	}
	return err
}

// problem is an RFC 9457 answer with our extensions.
type problem struct {
	Title  string           `json:"title"`
	Detail string           `json:"detail"`
	Code   api.Code         `json:"code"`
	Fields []api.FieldError `json:"fields"`
}

func decodeProblem(res *http.Response) error {
	var p problem
	text, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err == nil {
		err = json.Unmarshal(text, &p)
	}
	if err != nil || p.Code == "" {
		code := api.CodeInternal
		if res.StatusCode == http.StatusServiceUnavailable || res.StatusCode == http.StatusBadGateway {
			code = api.CodeUnavailable
		}
		return api.Errorf(code, "the server answered %s without a Coxswain error; is this a cox server?", res.Status)
	}
	message := p.Detail
	if message == "" {
		message = p.Title
	}
	return &api.Error{Code: p.Code, Message: message, Fields: p.Fields}
}
