package supervise

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/coxswain-hpc/coxswain/internal/backoff"
	"github.com/coxswain-hpc/coxswain/internal/clock"
)

const (
	// logBytesMax is when a log file is set aside at the next start of its child.
	logBytesMax = 32 << 20
	// steadyAfter is how long a child must run for its failures to be forgotten.
	steadyAfter = 10 * time.Second
	// tailBytes of a log are shown when a child can't start.
	tailBytes = 4096
)

// restartPolicy is the pause before a child is started again.
var restartPolicy = backoff.Policy{Min: 50 * time.Millisecond, Max: 10 * time.Second}

// Config describes a child. All fields are needed.
type Config struct {
	Name string
	// Command makes the command anew for each start.
	Command func() *exec.Cmd
	// StopSignal asks it to end in order; StopMax is how long that may take before it is killed.
	StopSignal syscall.Signal
	StopMax    time.Duration
	// LogPath is where its output goes.
	LogPath string
}

// Child is a process that is kept running.
type Child struct {
	config  Config
	clock   clock.Clock
	log     *slog.Logger
	backoff *backoff.Backoff

	mu       sync.Mutex
	process  *os.Process
	failures int
	last     error
	stopping bool

	stop chan struct{}
	done chan struct{}
}

// Start starts the child and keeps it running until Stop.
func Start(config Config, c clock.Clock, log *slog.Logger, b func(backoff.Policy) *backoff.Backoff) (*Child, error) {
	child := &Child{
		config: config, clock: c, log: log.With(slog.String("child", config.Name)), backoff: b(restartPolicy),
		stop: make(chan struct{}), done: make(chan struct{}),
	}
	first := make(chan error, 1)
	go child.keep(first)
	if err := <-first; err != nil {
		return nil, err
	}
	return child, nil
}

// keep runs the child again and again. The kernel's death signal is sent when the *thread* that
// started a child ends, so this goroutine keeps its thread.
func (c *Child) keep(first chan<- error) {
	runtime.LockOSThread()
	defer close(c.done)
	for {
		began := c.clock.Boot()
		cmd, err := c.start()
		if first != nil {
			first <- err
			first = nil
			if err != nil {
				return
			}
		}
		if err == nil {
			err = cmd.Wait()
		}
		if c.ended(err, c.clock.Boot()-began) {
			return
		}
		wait := c.backoff.Next()
		c.log.Warn("child ended; starting it again", slog.Any("error", err), slog.Duration("in", wait))
		select {
		case <-c.stop:
			return
		case <-clock.After(c.clock, wait):
		}
	}
}

// ended notes the end of a run; it reports whether that was the last.
func (c *Child) ended(err error, ran time.Duration) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.process = nil
	if c.stopping {
		return true
	}
	if ran >= steadyAfter {
		c.failures = 0
		c.backoff.Reset()
	}
	c.failures++
	if err == nil {
		err = errors.New("it ended by itself")
	}
	c.last = err
	return false
}

func (c *Child) start() (*exec.Cmd, error) {
	log, err := openLog(c.config.LogPath)
	if err != nil {
		return nil, err
	}
	defer log.Close() //nolint:errcheck // the child has its own
	cmd := c.config.Command()
	cmd.Stdout, cmd.Stderr = log, log
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Pdeathsig = c.config.StopSignal
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopping {
		return nil, errors.New("stopped before its start")
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", c.config.Name, err)
	}
	c.process = cmd.Process
	return cmd, nil
}

// openLog opens a log for append; one that has grown too large becomes NAME.1.
func openLog(path string) (*os.File, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("make the folder of logs: %w", err)
	}
	if info, err := os.Stat(path); err == nil && info.Size() > logBytesMax {
		if err := os.Rename(path, path+".1"); err != nil {
			return nil, fmt.Errorf("set a log aside: %w", err)
		}
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o640)
	if err != nil {
		return nil, fmt.Errorf("open a log: %w", err)
	}
	return file, nil
}

// startFailuresMax is how often a child may fail before its start counts as failed.
const startFailuresMax = 3

// Failed is an error with the end of the log once the child has failed again and again.
func (c *Child) Failed() error {
	c.mu.Lock()
	failures, last := c.failures, c.last
	c.mu.Unlock()
	if failures < startFailuresMax {
		return nil
	}
	return fmt.Errorf("%s does not start: %w; the end of %s:\n%s", c.config.Name, last, c.config.LogPath,
		tail(c.config.LogPath))
}

// tail is the end of a file, in whole lines.
func tail(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	if len(text) > tailBytes {
		text = text[len(text)-tailBytes:]
		if i := strings.IndexByte(string(text), '\n'); i >= 0 {
			text = text[i+1:]
		}
	}
	return strings.TrimRight(string(text), "\n")
}

// PID is the process id of the running child, 0 between two runs.
func (c *Child) PID() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.process == nil {
		return 0
	}
	return c.process.Pid
}

// Stop ends the child in order, and by force if that takes too long or ctx ends.
func (c *Child) Stop(ctx context.Context) {
	c.signal(c.config.StopSignal)
	close(c.stop)
	select {
	case <-c.done:
		return
	case <-clock.After(c.clock, c.config.StopMax):
	case <-ctx.Done():
	}
	c.log.WarnContext(ctx, "child did not end in time; killing it")
	c.signal(syscall.SIGKILL)
	<-c.done
}

func (c *Child) signal(s syscall.Signal) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopping = true
	if c.process == nil {
		return
	}
	if err := c.process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		c.log.Warn("signal child", slog.Any("error", err))
	}
}
