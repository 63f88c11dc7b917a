package client

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/internal/clock"
)

// watchLineMax bounds one line of the stream: an object as JSON.
const watchLineMax = 16 << 20

// WatchRequest chooses what to watch.
type WatchRequest struct {
	Kinds []api.Kind
	// IDs restricts the objects (job ids or names); empty is all that the caller may see.
	IDs []string
	// Cursor is where to go on; empty is from now.
	Cursor string
}

// Change is one message of a watch: the current state of an object that was touched, or that it is
// gone. Kind "cursor" ends a batch: everything up to Cursor has been seen.
type Change struct {
	Kind    string
	Cursor  string
	Data    json.RawMessage
	Deleted string
}

// KindCursor is the Kind of a Change that only carries a cursor.
const KindCursor = "cursor"

// Watch calls f for every change until f or ctx ends it. A stream that breaks is opened again where
// it broke, so nothing is missed; a cursor that the server no longer knows ends it with api.ErrGone:
// list again. Opened is called, if not nil, each time that the stream stands: what is read after
// that call is not older than what the stream tells.
func (c *Client) Watch(ctx context.Context, r WatchRequest, opened func(), f func(Change) error) error {
	for {
		err := c.retry(ctx, true, func() error { return c.watchOnce(ctx, &r, opened, f) })
		if stop, ok := errors.AsType[stopError](err); ok {
			return stop.err
		}
		if !errors.Is(err, errStreamEnded) || ctx.Err() != nil {
			return err
		}
		if err := clock.Sleep(ctx, c.clock, retryPauseMin); err != nil {
			return err
		}
	}
}

// errStreamEnded: the server closed a stream in order (its limit, or a restart).
var errStreamEnded = errors.New("the watch stream ended")

// stopError carries an error of the caller's function past the retries: it does not unwrap, so
// that no retry takes it for its own.
type stopError struct{ err error }

func (e stopError) Error() string { return e.err.Error() }

func (c *Client) watchOnce(ctx context.Context, r *WatchRequest, opened func(), f func(Change) error) error {
	q := url.Values{}
	set(q, "kinds", join(r.Kinds))
	set(q, "ids", strings.Join(r.IDs, ","))
	set(q, "cursor", r.Cursor)
	req, err := c.newRequest(ctx, request{method: http.MethodGet, path: "/v1/watch", query: q}, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Accept", "text/event-stream")
	res, err := c.http.Do(req)
	if err != nil {
		return c.transportError(ctx, err)
	}
	defer res.Body.Close() //nolint:errcheck // nothing was written
	if res.StatusCode >= http.StatusBadRequest {
		return decodeProblem(res)
	}
	if opened != nil {
		opened()
	}
	return c.readStream(ctx, res.Body, r, f)
}

func (c *Client) readStream(ctx context.Context, body io.Reader, r *WatchRequest, f func(Change) error) error {
	lines := bufio.NewScanner(body)
	lines.Buffer(make([]byte, 0, 64<<10), watchLineMax)
	var change Change
	for lines.Scan() {
		line := lines.Text()
		if line != "" {
			change.field(line)
			continue
		}
		if change.Kind == "" {
			continue // a comment kept the connection alive
		}
		if err := change.finish(); err != nil {
			return fmt.Errorf("read watch of %s: %w", c.server, err)
		}
		if err := f(change); err != nil {
			return stopError{err}
		}
		if change.Cursor != "" {
			r.Cursor = change.Cursor
		}
		change = Change{}
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return errStreamEnded
}

// field reads one line of an event in the format of server-sent events.
func (ch *Change) field(line string) {
	name, value, _ := strings.Cut(line, ":")
	value = strings.TrimPrefix(value, " ")
	switch name {
	case "event":
		ch.Kind = value
	case "id":
		ch.Cursor = value
	case "data":
		if len(ch.Data) > 0 {
			ch.Data = append(ch.Data, '\n')
		}
		ch.Data = append(ch.Data, value...)
	}
}

func (ch *Change) finish() error {
	if ch.Kind == KindCursor || len(ch.Data) == 0 {
		return nil
	}
	var gone struct {
		Deleted json.RawMessage `json:"deleted"`
	}
	if err := json.Unmarshal(ch.Data, &gone); err != nil {
		return fmt.Errorf("decode %s: %w", ch.Kind, err)
	}
	ch.Deleted = strings.Trim(string(gone.Deleted), `"`)
	return nil
}

// pollEvery backs up a watch: should a change be lost, it costs this long and no more.
const pollEvery = 15 * time.Second

// WaitJob calls seen with the job's state now and at every change, until seen says that it is done. The
// number of an array task stands for the task's job.
func (c *Client) WaitJob(ctx context.Context, id api.JobID, seen func(api.Job) (done bool, err error)) error {
	owner, err := c.waitJob(ctx, id, seen)
	if err == nil && owner != id { // changes come under the job's own number
		_, err = c.waitJob(ctx, owner, seen)
	}
	return err
}

// waitJob returns early, with the number of the job, when id is not that.
func (c *Client) waitJob(
	ctx context.Context, id api.JobID, seen func(api.Job) (done bool, err error),
) (owner api.JobID, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	wake, failed := make(chan struct{}, 1), make(chan error, 1)
	ring := func() {
		select {
		case wake <- struct{}{}:
		default:
		}
	}
	go func() {
		r := WatchRequest{Kinds: []api.Kind{api.KindJob}, IDs: []string{id.String()}}
		failed <- c.Watch(ctx, r, ring, func(Change) error { ring(); return nil })
	}()
	ring() // the first look waits for no stream: most short jobs have ended by then
	return c.waitLoop(ctx, id, wake, failed, seen)
}

func (c *Client) waitLoop(ctx context.Context, id api.JobID, wake <-chan struct{}, failed <-chan error,
	seen func(api.Job) (bool, error),
) (owner api.JobID, err error) {
	tick := c.clock.NewTimer(pollEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return id, context.Cause(ctx)
		case err := <-failed:
			if err != nil && !errors.Is(err, api.ErrGone) {
				return id, err
			}
			failed = nil // an expired cursor: the poll goes on alone
		case <-wake:
		case <-tick.C:
			tick.Reset(pollEvery)
		}
		job, err := c.Job(ctx, id)
		if err != nil {
			return id, err
		}
		if done, err := seen(job); done || err != nil {
			return id, err
		}
		if job.ID != id {
			return job.ID, nil
		}
	}
}
