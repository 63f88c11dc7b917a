package shim

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/coxswain-hpc/coxswain/internal/clock"
)

// Starting the Go runtime is most of what a shim costs, so shims are ready before their pods come,
// and serve one pod after the other.
const (
	// sparesMax is how many shims wait for a pod in a quiet time: a pair of pods finds them.
	sparesMax = 2
	// idleMax is how many may wait while pods come and go.
	idleMax = 32
	// quiet is how long nothing has ended before the idle shims above sparesMax are let go.
	quiet = 5 * time.Second
)

// spare is a shim that has no pod yet. It ends when our end of its socket closes, so the spares of
// a killed kubelet end too.
type spare struct {
	conn    *os.File
	process *os.Process
}

// discard ends a spare that is not needed.
func (r *spare) discard() {
	_ = r.conn.Close()
	_, _ = r.process.Wait() // it has nothing to tell
}

// want asks for one more spare, unless enough are there or on their way.
func (s *Starter) want() {
	if len(s.idle) >= sparesMax {
		return
	}
	select {
	case s.wanted <- struct{}{}:
	default:
	}
}

// putBack takes a shim whose pod has ended.
func (s *Starter) putBack(r *spare) {
	select {
	case <-s.closed:
		r.discard()
		return
	default:
	}
	select {
	case s.idle <- r:
		select {
		case s.returned <- struct{}{}:
		default:
		}
	default:
		r.discard()
	}
	select {
	case <-s.closed: // meanwhile: Close may have looked before
		s.letGo(0)
	default:
	}
}

// keepSpares starts spares as they are wanted, and lets idle ones go in a quiet time. An error is
// dropped: the next Start then starts its own shim and reports what is wrong.
func (s *Starter) keepSpares() {
	timer := clock.Real{}.NewTimer(quiet)
	defer timer.Stop()
	for {
		select {
		case <-s.closed:
			return
		case <-s.returned:
			timer.Reset(quiet)
		case <-timer.C:
			s.trim()
		case <-s.wanted:
			s.addSpare()
		}
	}
}

func (s *Starter) addSpare() {
	if len(s.idle) >= sparesMax {
		return // one came back meanwhile
	}
	r, err := s.spawn()
	if err != nil {
		return
	}
	select {
	case s.idle <- r:
	default:
		r.discard()
	}
}

// trim lets the idle shims above sparesMax go.
func (s *Starter) trim() { s.letGo(sparesMax) }

// letGo discards idle shims until only keep are left.
func (s *Starter) letGo(keep int) {
	for len(s.idle) > keep {
		select {
		case r := <-s.idle:
			r.discard()
		default:
			return
		}
	}
}

// assign gives the pod in dir to a spare, or to a new shim if there is none.
func (s *Starter) assign(dir string, lock *os.File) (*spare, error) {
	select {
	case r := <-s.idle:
		if r.give(dir, lock) == nil {
			return r, nil
		}
		r.discard() // somebody killed it
	default:
	}
	r, err := s.spawn()
	if err != nil {
		return nil, err
	}
	if err := r.give(dir, lock); err != nil {
		r.discard()
		return nil, fmt.Errorf("give the shim its pod: %w", err)
	}
	return r, nil
}

// give sends the state directory, and the lock on its spec along with it.
func (r *spare) give(dir string, lock *os.File) error {
	conn, err := r.conn.SyscallConn()
	if err != nil {
		return err
	}
	rights := unix.UnixRights(int(lock.Fd()))
	var sendErr error
	err = conn.Write(func(fd uintptr) bool {
		sendErr = unix.Sendmsg(int(fd), []byte(dir+"\n"), rights, nil, unix.MSG_NOSIGNAL)
		return !errors.Is(sendErr, unix.EAGAIN)
	})
	return errors.Join(err, sendErr)
}

// shimEnv is the whole environment of a shim: nothing of the kubelet's may leak. Pages that a shim
// touches are most of what a start costs. So it has one processor, and collects garbage only where
// it grows, as under a busy attached client: the first collection touches a page for each size of
// object, and a short pod never needs one.
func shimEnv() []string { return []string{"GOMAXPROCS=1", "GOGC=50"} }

// spawn starts a shim in the shims' group, with one end of a socket pair.
func (s *Starter) spawn() (*spare, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	theirs := os.NewFile(uintptr(fds[1]), "shim")
	defer func() { _ = theirs.Close() }()
	err = unix.SetNonblock(fds[0], true) // waits in the poller, not on a thread
	ours := os.NewFile(uintptr(fds[0]), "kubelet")
	if err != nil {
		return nil, errors.Join(err, ours.Close())
	}
	process, err := s.fork(theirs)
	if err != nil {
		return nil, errors.Join(err, ours.Close())
	}
	return &spare{conn: ours, process: process}, nil
}

func (s *Starter) fork(socket *os.File) (process *os.Process, err error) {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = null.Close() }()
	attr := &os.ProcAttr{
		Dir:   "/",
		Env:   shimEnv(),
		Files: []*os.File{null, null, null, socket},
		Sys:   &syscall.SysProcAttr{Setsid: true},
	}
	leaf, err := s.enter(attr.Sys)
	if err != nil {
		return nil, err
	}
	defer func() {
		if leaf != nil {
			_ = leaf.Close()
		}
	}()
	done := make(chan struct{})
	s.jobs <- func() {
		defer close(done)
		process, err = os.StartProcess(s.binary, []string{"cox-shim"}, attr)
	}
	<-done
	return process, err
}

// enter opens the shims' cgroup2 leaf for the clone.
func (s *Starter) enter(sys *syscall.SysProcAttr) (*os.File, error) {
	if s.shims.TrackerLeaf == "" {
		return nil, nil //nolint:nilnil // no tracker, nothing to enter
	}
	leaf, err := os.OpenFile(s.shims.TrackerLeaf, unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, err
	}
	sys.UseCgroupFD, sys.CgroupFD = true, int(leaf.Fd())
	return leaf, nil
}
