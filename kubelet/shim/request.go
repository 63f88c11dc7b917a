package shim

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"sync"
	"syscall"
	"time"

	"github.com/coxswain-hpc/coxswain/kubelet/shim/shimapi"
)

// errEnded means that the pod ended before a request reached it.
var errEnded = errors.New("the pod has ended")

// IsEnded reports an error that only means that the pod has ended.
func IsEnded(err error) bool { return errors.Is(err, errEnded) }

// call sends one request on a connection of its own.
func (c *Client) call(ctx context.Context, request shimapi.Request) (shimapi.State, error) {
	select {
	case <-c.done:
		return shimapi.State{}, fmt.Errorf("%s pod in %s: %w", request.Op, c.dir, errEnded)
	default:
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	response, err := c.exchangeOnce(ctx, request)
	switch {
	case err != nil:
		return shimapi.State{}, fmt.Errorf("%s pod in %s: %w", request.Op, c.dir, err)
	case response.Exit != nil:
		return shimapi.State{}, fmt.Errorf("%s pod in %s: %w", request.Op, c.dir, errEnded)
	case response.Error != "":
		return shimapi.State{}, fmt.Errorf("%s pod in %s: %s", request.Op, c.dir, response.Error)
	case response.State == nil:
		return shimapi.State{}, fmt.Errorf("%s pod in %s: the shim gave no state", request.Op, c.dir)
	}
	return *response.State, nil
}

func (c *Client) exchangeOnce(ctx context.Context, request shimapi.Request) (shimapi.Response, error) {
	var response shimapi.Response
	conn, err := c.dial(ctx)
	if err != nil {
		return response, err
	}
	defer func() { _ = conn.Close() }()
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(deadline); err != nil {
			return response, err
		}
	}
	request.Version = shimapi.Version
	return response, exchange(conn, request, &response)
}

// Status asks for the state with current usage.
func (c *Client) Status(ctx context.Context) (shimapi.State, error) {
	return c.call(ctx, shimapi.Request{Op: shimapi.OpStatus})
}

// Stop ends the pod: TERM to every process, after grace KILL to what is left. The reason goes into
// the exit record; the first stop's reason stays, and a later stop may only shorten the grace.
func (c *Client) Stop(ctx context.Context, reason shimapi.Reason, grace time.Duration) error {
	request := shimapi.Request{Op: shimapi.OpStop, Reason: reason, GraceMS: grace.Milliseconds()}
	_, err := c.call(ctx, request)
	return err
}

// Signal sends a signal to some of the pod's processes.
func (c *Client) Signal(ctx context.Context, sig syscall.Signal, to shimapi.Target) error {
	_, err := c.call(ctx, shimapi.Request{Op: shimapi.OpSignal, Signal: int(sig), To: to})
	return err
}

// SetDeadline moves a deadline to an instant on CLOCK_BOOTTIME, in nanoseconds; 0 removes it.
func (c *Client) SetDeadline(ctx context.Context, which shimapi.Deadline, boottimeNS int64) error {
	request := shimapi.Request{Op: shimapi.OpDeadline, Deadline: which, BoottimeNS: boottimeNS}
	_, err := c.call(ctx, request)
	return err
}

// Attached is the stream of an attached pod.
type Attached struct {
	conn  *net.UnixConn
	lines *bufio.Scanner
	mu    sync.Mutex // serialises writes
}

// Attach takes the pod's standard files. A pod has one attached client at a time.
func (c *Client) Attach(ctx context.Context) (*Attached, error) {
	conn, err := c.dial(ctx)
	if err != nil {
		return nil, err
	}
	a := &Attached{conn: conn, lines: bufio.NewScanner(conn)}
	a.lines.Buffer(nil, shimapi.LineBytesMax)
	if err := a.begin(); err != nil {
		return nil, fmt.Errorf("attach to pod in %s: %w", c.dir, errors.Join(err, conn.Close()))
	}
	return a, nil
}

func (a *Attached) begin() error {
	if err := a.write(shimapi.Request{Version: shimapi.Version, Op: shimapi.OpAttach}); err != nil {
		return err
	}
	var response shimapi.Response
	if err := a.read(&response); err != nil {
		return err
	}
	if response.Error != "" {
		return errors.New(response.Error)
	}
	return nil
}

func (a *Attached) write(message any) error {
	line, err := json.Marshal(message)
	if err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	_, err = a.conn.Write(append(line, '\n'))
	return err
}

func (a *Attached) read(into any) error {
	if !a.lines.Scan() {
		return errors.Join(net.ErrClosed, a.lines.Err())
	}
	return json.Unmarshal(a.lines.Bytes(), into)
}

// Next waits for the next frame. The one with Exit is the last; an error before it means that the
// shim is gone.
func (a *Attached) Next() (shimapi.Frame, error) {
	var frame shimapi.Frame
	err := a.read(&frame)
	return frame, err
}

// Write sends input to the pod, in frames of bounded size.
func (a *Attached) Write(data []byte) (int, error) {
	written := 0
	for written < len(data) {
		chunk := data[written:min(written+shimapi.FrameBytesMax, len(data))]
		if err := a.write(shimapi.Frame{Channel: shimapi.ChannelStdin, Data: chunk}); err != nil {
			return written, err
		}
		written += len(chunk)
	}
	return written, nil
}

// CloseInput ends the pod's standard input.
func (a *Attached) CloseInput() error {
	return a.write(shimapi.Frame{Channel: shimapi.ChannelStdin, EOF: true})
}

// Close detaches.
func (a *Attached) Close() error { return a.conn.Close() }
