package apiserver

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/coder/websocket"

	"github.com/coxswain-hpc/coxswain/api"
)

const (
	// framesMax bounds the frames of a user that wait for the kubelet; then his socket is not read.
	framesMax = 16
	// frameWriteMax bounds writing one frame.
	frameWriteMax = time.Minute
	// pingInterval finds users who have gone without a word.
	pingInterval = 30 * time.Second
)

// userSocket is the user's end of a session. One goroutine reads it from the beginning, so that a
// user who goes away while the pod still waits is noticed.
type userSocket struct {
	conn   *websocket.Conn
	frames chan []byte
}

// readFrames reads the user's frames until his socket ends, which ends the session.
func (u *userSocket) readFrames(ctx context.Context, end context.CancelCauseFunc) {
	defer close(u.frames)
	for {
		_, data, err := u.conn.Read(ctx)
		if err != nil {
			end(errUserGone)
			return
		}
		select {
		case u.frames <- data:
		case <-ctx.Done():
			return
		}
	}
}

var (
	errUserGone    = errors.New("the user has closed the session")
	errKubeletGone = errors.New("the kubelet has closed the session")
)

// pings finds a user who has gone without a word.
func (u *userSocket) pings(ctx context.Context, s *Server, end context.CancelCauseFunc) {
	timer := s.clock.NewTimer(pingInterval)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		ping, cancel := context.WithTimeout(ctx, pingInterval)
		err := u.conn.Ping(ping)
		cancel()
		if err != nil {
			end(errUserGone)
			return
		}
		timer.Reset(pingInterval)
	}
}

// send writes a frame of the server's own.
func (u *userSocket) send(ctx context.Context, frame api.SessionFrame) error {
	data, err := json.Marshal(frame)
	if err != nil {
		return api.Errorf(api.CodeInternal, "encode a frame: %w", err)
	}
	return writeFrame(ctx, u.conn, data)
}

func writeFrame(ctx context.Context, conn *websocket.Conn, data []byte) error {
	ctx, cancel := context.WithTimeout(ctx, frameWriteMax)
	defer cancel()
	return conn.Write(ctx, websocket.MessageText, data)
}

// pump leads frames both ways, unread, until one end closes. It returns nil when the kubelet closed
// in order.
func (u *userSocket) pump(ctx context.Context, kubelet *websocket.Conn) error {
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	go func() {
		for {
			select {
			case <-ctx.Done():
				return
			case data, ok := <-u.frames:
				if !ok {
					end(errUserGone)
					return
				}
				if err := writeFrame(ctx, kubelet, data); err != nil {
					return // the other direction tells why
				}
			}
		}
	}()
	for {
		_, data, err := kubelet.Read(ctx)
		switch {
		case websocket.CloseStatus(err) == websocket.StatusNormalClosure:
			return nil
		case err != nil && ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil:
			return errors.Join(errKubeletGone, err)
		}
		if err := writeFrame(ctx, u.conn, data); err != nil {
			return errUserGone
		}
	}
}
