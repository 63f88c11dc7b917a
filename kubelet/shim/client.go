package shim

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/coxswain-hpc/coxswain/internal/clock"
	"github.com/coxswain-hpc/coxswain/kubelet/shim/shimapi"
)

// Errors of a client.
var (
	// ErrLost means that the shim is dead and left no exit record: the attempt failed as shim_lost,
	// and the caller must kill its group.
	ErrLost = errors.New("the shim died without an exit record")
	// ErrNoPod means that the directory holds no spec, so no shim was ever started there.
	ErrNoPod = errors.New("no pod was started in this directory")
)

// Limits of a conversation.
const (
	requestTimeout = 5 * time.Second
	// connectWait is how long a live shim may take to open its socket.
	connectWait  = 5 * time.Second
	connectPause = 2 * time.Millisecond
)

// Client is one pod's shim. Its methods may be called at once from several goroutines.
type Client struct {
	dir     string
	once    sync.Once
	started chan struct{} // closed when state is set
	state   shimapi.State

	done   chan struct{} // closed when record or lost is set
	record shimapi.ExitRecord
	lost   error
}

func newClient(dir string) *Client {
	return &Client{dir: dir, started: make(chan struct{}), done: make(chan struct{})}
}

// watchPipe follows a shim that this process started. One that is free after its pod goes to free,
// any other is reaped.
func (c *Client) watchPipe(shim *spare, free func(*spare)) {
	if c.readPipe(bufio.NewReader(shim.conn)) {
		free(shim)
		return
	}
	shim.discard() // the record counts, not the shim's own status
}

// readPipe reads until the pod has ended and its shim has said that it is free, or is gone.
func (c *Client) readPipe(lines *bufio.Reader) (free bool) {
	line, err := lines.ReadBytes('\n')
	var state shimapi.State
	if err == nil && json.Unmarshal(line, &state) == nil && state.Phase == shimapi.PhaseRunning {
		c.state = state
		close(c.started)
		line, err = lines.ReadBytes('\n')
	}
	var record shimapi.ExitRecord
	if err == nil && json.Unmarshal(line, &record) == nil && record.Reason != "" {
		c.end(record, nil)
		// Until the shim says more or ends it may still serve an attached client.
		line, err = lines.ReadBytes('\n')
		return err == nil && string(line) == shimapi.FreeLine+"\n"
	}
	c.endFromDisk()
	return false
}

// end publishes how the pod ended.
func (c *Client) end(record shimapi.ExitRecord, lost error) {
	c.once.Do(func() {
		c.record, c.lost = record, lost
		close(c.done)
	})
}

// endFromDisk is for a shim that is dead: it left a record, or it is lost.
func (c *Client) endFromDisk() {
	record, err := ReadExit(c.dir)
	if errors.Is(err, fs.ErrNotExist) {
		err = ErrLost
	}
	c.end(record, err)
}

// ReadExit reads the exit record in dir. It gives fs.ErrNotExist if the pod has not ended.
func ReadExit(dir string) (shimapi.ExitRecord, error) {
	var record shimapi.ExitRecord
	err := readJSON(filepath.Join(dir, shimapi.ExitFile), &record)
	return record, err
}

// ReadState reads the last saved state in dir.
func ReadState(dir string) (shimapi.State, error) {
	var state shimapi.State
	err := readJSON(filepath.Join(dir, shimapi.StateFile), &state)
	return state, err
}

func readJSON(path string, into any) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("parse %s: %w", path, err)
	}
	return nil
}

// Alive reports whether a shim runs in dir, by the lock that it holds.
func Alive(dir string) (bool, error) {
	f, err := os.Open(filepath.Join(dir, shimapi.SpecFile))
	if errors.Is(err, fs.ErrNotExist) {
		return false, ErrNoPod
	}
	if err != nil {
		return false, err
	}
	defer func() { _ = f.Close() }() // read only; gives the lock back
	err = unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return true, nil
	}
	return false, err
}

// Adopt finds the shim of a pod that an earlier kubelet started. A pod that ended meanwhile gives a
// client whose Wait returns the record at once; a shim that died without one gives ErrLost.
func Adopt(ctx context.Context, dir string) (*Client, error) {
	// The order matters: a shim that ends in between leaves its record before it lets the lock go.
	alive, err := Alive(dir)
	if err != nil {
		return nil, fmt.Errorf("adopt %s: %w", dir, err)
	}
	if !alive {
		c := newClient(dir)
		c.endFromDisk()
		if c.lost != nil {
			return nil, fmt.Errorf("adopt %s: %w", dir, c.lost)
		}
		return c, nil
	}
	c, err := Connect(ctx, dir)
	if err != nil {
		return nil, fmt.Errorf("adopt %s: %w", dir, err)
	}
	return c, nil
}

// Connect talks to the live shim in dir.
func Connect(ctx context.Context, dir string) (*Client, error) {
	c := newClient(dir)
	conn, err := c.dialPatiently(ctx)
	if err != nil {
		if alive, aliveErr := Alive(dir); aliveErr == nil && !alive {
			c.endFromDisk()
			return c, c.lost
		}
		return nil, err
	}
	go c.watchSocket(conn)
	state, err := c.Status(ctx)
	switch {
	case err == nil:
		c.state = state
		close(c.started)
		return c, nil
	case errors.Is(err, errEnded):
		return c, nil
	case errors.Is(err, os.ErrDeadlineExceeded), ctx.Err() != nil:
		return c.silent(conn, err)
	}
	<-c.done // the shim ended under our hands: watchSocket knows how
	return c, c.lost
}

// silent is for a shim that lives and does not answer: somebody has stopped it, or its start hangs in a
// file of the user's. What it saved tells the first from the second.
func (c *Client) silent(conn *net.UnixConn, err error) (*Client, error) {
	state, stateErr := ReadState(c.dir)
	if stateErr != nil {
		return nil, errors.Join(err, conn.Close())
	}
	c.state = state
	close(c.started)
	return c, nil
}

// dialPatiently waits for a shim that has only just begun to open its socket.
func (c *Client) dialPatiently(ctx context.Context) (*net.UnixConn, error) {
	ctx, cancel := context.WithTimeout(ctx, connectWait)
	defer cancel()
	for {
		conn, err := c.dial(ctx)
		if err == nil {
			return conn, nil
		}
		if alive, aliveErr := Alive(c.dir); aliveErr != nil || !alive {
			return nil, err
		}
		if sleepErr := clock.Sleep(ctx, clock.Real{}, connectPause); sleepErr != nil {
			return nil, errors.Join(err, sleepErr)
		}
	}
}

// dial goes through a descriptor of the directory, since a socket's path may have 107 bytes only.
func (c *Client) dial(ctx context.Context) (*net.UnixConn, error) {
	dir, err := os.OpenFile(c.dir, unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = dir.Close() }()
	var dialer net.Dialer
	path := fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), shimapi.SocketFile)
	conn, err := dialer.DialContext(ctx, "unix", path)
	if err != nil {
		return nil, fmt.Errorf("connect to the shim in %s: %w", c.dir, err)
	}
	unixConn, ok := conn.(*net.UnixConn)
	if !ok {
		return nil, errors.Join(errors.New("not a unix connection"), conn.Close())
	}
	return unixConn, nil
}

// watchSocket waits for the end of a shim that this process didn't start.
func (c *Client) watchSocket(conn *net.UnixConn) {
	defer func() { _ = conn.Close() }()
	request := shimapi.Request{Version: shimapi.Version, Op: shimapi.OpWait}
	var response shimapi.Response
	err := exchange(conn, request, &response)
	if err == nil && response.Exit != nil {
		c.end(*response.Exit, nil)
		return
	}
	c.endFromDisk()
}

func exchange(conn net.Conn, request shimapi.Request, response *shimapi.Response) error {
	line, err := json.Marshal(request)
	if err != nil {
		return err
	}
	if _, err := conn.Write(append(line, '\n')); err != nil {
		return err
	}
	return json.NewDecoder(conn).Decode(response)
}

// Dir is the pod's state directory.
func (c *Client) Dir() string { return c.dir }

// State is the pod's state at the start or adoption. It is zero for a pod that never ran.
func (c *Client) State() shimapi.State {
	select {
	case <-c.started:
		return c.state
	default:
		return shimapi.State{}
	}
}

// Done is closed when Wait would return at once.
func (c *Client) Done() <-chan struct{} { return c.done }

// Wait waits for the end of the pod. It gives ErrLost if the shim died without a record.
func (c *Client) Wait(ctx context.Context) (shimapi.ExitRecord, error) {
	select {
	case <-c.done:
		return c.record, c.lost
	case <-ctx.Done():
		return shimapi.ExitRecord{}, ctx.Err()
	}
}
