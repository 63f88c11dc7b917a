// Package shim is the kubelet's side of cox-shim: it installs the program, starts one for a pod,
// talks to it, and finds it again after a restart of the kubelet.
//
// A shim lives in a state directory of its pod, whose files shimapi names. It holds a lock on the
// spec file all its life, so "is it alive" has a certain answer. This package makes no control
// group and kills no pod: where a shim is lost, the caller kills the group.
package shim

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/coxswain-hpc/coxswain/kubelet/shim/shimapi"
)

// launchThreads is how many starts may fork at once; a fork takes about a millisecond, so more
// threads would only wait for each other.
const launchThreads = 2

const specMode = 0o600

// shimTimerSlackNS is how late a shim's timers may be. It inherits this from the thread that forks it
// and gives its pod the usual value. The monitor thread of the Go runtime otherwise wakes a starting
// shim every 20 microseconds, about a hundred times.
const shimTimerSlackNS = 5_000_000

// Starter starts shims. It keeps threads that live in the shims' group, so that a shim begins there,
// outside the kubelet's own group and outside any pod's.
type Starter struct {
	binary string
	shims  shimapi.Cgroup
	jobs   chan func() // for the threads in the shims' group

	idle     chan *spare   // shims that wait for a pod
	wanted   chan struct{} // a token for each spare to start
	returned chan struct{} // a token when a shim came back
	closed   chan struct{}
	refill   sync.WaitGroup
	closing  sync.Once
}

// NewStarter makes a starter of the program at binary (see Install) in the group that
// cgroup.Driver.Shims gave. Close ends its threads.
func NewStarter(binary string, shims shimapi.Cgroup) (*Starter, error) {
	s := &Starter{
		binary: binary, shims: shims, jobs: make(chan func()),
		idle:     make(chan *spare, idleMax),
		wanted:   make(chan struct{}, sparesMax),
		returned: make(chan struct{}, 1),
		closed:   make(chan struct{}),
	}
	joined := make(chan error)
	for range launchThreads {
		onSpareThread(func() { s.work(joined) })
	}
	errs := make([]error, 0, launchThreads)
	for range launchThreads {
		errs = append(errs, <-joined)
	}
	if err := errors.Join(errs...); err != nil {
		s.Close()
		return nil, fmt.Errorf("join the shims' group: %w", err)
	}
	s.refill.Go(s.keepSpares)
	for range sparesMax {
		s.want()
	}
	return s, nil
}

// Close ends the starter and its spare shims. Shims with a pod are not touched. No Start may run.
func (s *Starter) Close() {
	s.closing.Do(func() {
		close(s.closed)
		s.refill.Wait()
		s.letGo(0)
		close(s.jobs)
	})
}

// work runs jobs on a thread of its own. Writing "0" to a v1 "tasks" file moves only that thread, and
// what it forks begins in its group; in a cgroup2 tree the clone itself enters the group.
func (s *Starter) work(joined chan<- error) {
	joined <- errors.Join(s.join(), unix.Prctl(unix.PR_SET_TIMERSLACK, shimTimerSlackNS, 0, 0, 0))
	for job := range s.jobs {
		job()
	}
}

// onSpareThread runs f on a thread that ends with it, since a thread in a foreign group must not be
// used again. The leading thread of a process can't end, so f is never given that one.
func onSpareThread(f func()) {
	go func() {
		runtime.LockOSThread()
		if unix.Gettid() != unix.Getpid() {
			f()
			return // still locked: that ends the thread
		}
		begun := make(chan struct{})
		onSpareThread(func() { close(begun); f() })
		<-begun // until then our lock keeps the other goroutine off this thread
		runtime.UnlockOSThread()
	}()
}

func (s *Starter) join() error {
	var errs []error
	for _, path := range s.shims.Tasks {
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		_, err = f.WriteString("0")
		errs = append(errs, err, f.Close())
	}
	return errors.Join(errs...)
}

// Start writes the spec into dir, which must exist, be private and hold nothing else, and starts a
// shim there. It returns when the main process runs or has failed to start: a failed start is not
// an error of Start but an exit record, as Wait gives it. If ctx ends first, the shim may live on;
// the caller kills the group.
func (s *Starter) Start(ctx context.Context, dir string, spec shimapi.Spec) (*Client, error) {
	spec.Version = shimapi.Version
	spec.Cgroup.HomeTasks = s.shims.Tasks
	if err := spec.Validate(); err != nil {
		return nil, fmt.Errorf("start pod %s: %w", spec.Pod, err)
	}
	lock, err := writeSpec(dir, spec)
	if err != nil {
		return nil, fmt.Errorf("write the spec of pod %s: %w", spec.Pod, err)
	}
	defer func() { _ = lock.Close() }() // the shim holds it now
	defer s.want()                      // not before the pod runs: a new spare would take the processor from it
	for range assignTries {
		var c *Client
		if c, err = s.startIn(ctx, dir, lock); err == nil {
			return c, nil
		}
		if !errors.Is(err, ErrLost) || begun(dir) {
			break
		}
	}
	return nil, fmt.Errorf("start pod %s: %w", spec.Pod, err)
}

// assignTries is how many shims may die under a pod before they touched it. One that somebody has just
// killed still takes a pod.
const assignTries = 3

// begun says whether a shim ever came to the pod: making the socket is its first act there.
func begun(dir string) bool {
	_, err := os.Lstat(filepath.Join(dir, shimapi.SocketFile))
	return !errors.Is(err, fs.ErrNotExist)
}

// startIn gives the pod to a shim and waits for its word.
func (s *Starter) startIn(ctx context.Context, dir string, lock *os.File) (*Client, error) {
	shim, err := s.assign(dir, lock)
	if err != nil {
		return nil, err
	}
	c := newClient(dir)
	go c.watchPipe(shim, s.putBack)
	select {
	case <-c.started:
		return c, nil
	case <-c.done:
		return c, c.lost
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func writeSpec(dir string, spec shimapi.Spec) (*os.File, error) {
	data, err := json.Marshal(spec)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, shimapi.SpecFile)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, specMode)
	if err != nil {
		return nil, err
	}
	_, err = f.Write(data)
	if err == nil {
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}
