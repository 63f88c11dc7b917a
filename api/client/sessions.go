package client

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/coder/websocket"

	"github.com/coxswain-hpc/coxswain/api"
)

// frameBytesMax bounds one frame of a session.
const frameBytesMax = 4 << 20

// Session is a stream of frames to and from a pod. Receive and Send may be used by one goroutine
// each at the same time.
type Session struct {
	conn *websocket.Conn
}

// Attach joins the standard streams of an attached job; it waits until the pod runs.
func (c *Client) Attach(ctx context.Context, id api.JobID, index int64) (*Session, error) {
	q := url.Values{}
	if index != api.NoIndex {
		q.Set("index", strconv.FormatInt(index, 10))
	}
	return c.dial(ctx, jobPath(id, "/attach"), q)
}

// LogsRequest chooses an output file of a job or array task.
type LogsRequest struct {
	Job    api.JobID
	Index  int64 // api.NoIndex for a job that is no array
	Stream string
	Offset int64
	Follow bool
}

// Logs reads an output file with its owner's rights; the last frame is of kind exit, eof or error.
func (c *Client) Logs(ctx context.Context, r LogsRequest) (*Session, error) {
	q := url.Values{}
	if r.Index != api.NoIndex {
		q.Set("index", strconv.FormatInt(r.Index, 10))
	}
	set(q, "stream", r.Stream)
	if r.Offset != 0 {
		q.Set("offset", strconv.FormatInt(r.Offset, 10))
	}
	if r.Follow {
		q.Set("follow", "true")
	}
	return c.dial(ctx, jobPath(r.Job, "/logs"), q)
}

func (c *Client) dial(ctx context.Context, path string, q url.Values) (*Session, error) {
	target := "ws" + strings.TrimPrefix(c.base, "http") + path
	if len(q) > 0 {
		target += "?" + q.Encode()
	}
	header := http.Header{}
	c.header(header)
	var session *Session
	err := c.retry(ctx, true, func() error {
		//nolint:bodyclose // Dial leaves nothing to close
		conn, res, err := websocket.Dial(ctx, target, &websocket.DialOptions{HTTPClient: c.http, HTTPHeader: header})
		if err != nil {
			if res != nil && res.StatusCode >= http.StatusBadRequest {
				return decodeProblem(res)
			}
			return c.transportError(ctx, err)
		}
		conn.SetReadLimit(frameBytesMax)
		session = &Session{conn: conn}
		return nil
	})
	return session, err
}

// ErrSessionEnded is what Receive returns after the other side closed the session in order.
var ErrSessionEnded = errors.New("the session has ended")

// Receive reads the next frame. A frame of kind error is returned as its error.
func (s *Session) Receive(ctx context.Context) (api.SessionFrame, error) {
	var frame api.SessionFrame
	_, data, err := s.conn.Read(ctx)
	switch {
	case err != nil && ctx.Err() != nil:
		return frame, context.Cause(ctx)
	case websocket.CloseStatus(err) == websocket.StatusNormalClosure:
		return frame, ErrSessionEnded
	case err != nil:
		return frame, api.Errorf(api.CodeUnavailable, "the session broke off: %w", err)
	}
	if err := json.Unmarshal(data, &frame); err != nil {
		return frame, api.Errorf(api.CodeInternal, "decode a frame of the session: %w", err)
	}
	if frame.Error != nil {
		return frame, frame.Error
	}
	return frame, nil
}

// Send writes a frame.
func (s *Session) Send(ctx context.Context, frame api.SessionFrame) error {
	data, err := json.Marshal(frame)
	if err != nil {
		return api.Errorf(api.CodeInternal, "encode a frame of the session: %w", err)
	}
	if err := s.conn.Write(ctx, websocket.MessageText, data); err != nil {
		return api.Errorf(api.CodeUnavailable, "the session broke off: %w", err)
	}
	return nil
}

// Close ends the session without waiting for the other side.
func (s *Session) Close() { s.conn.CloseNow() } //nolint:errcheck // it ends either way
