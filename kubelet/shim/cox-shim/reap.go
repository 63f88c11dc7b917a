package main

import (
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// reaped is one ended child of the shim, orphans of the pod included.
type reaped struct {
	pid    int
	status unix.WaitStatus
	usage  unix.Rusage
}

// sweep collects the children that have ended, without waiting. It reports whether no child is left.
func sweep(found func(reaped)) (none bool) {
	for {
		var r reaped
		pid, err := unix.Wait4(-1, &r.status, unix.WNOHANG, &r.usage)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil: // ECHILD
			return true
		case pid == 0:
			return false
		}
		r.pid = pid
		found(r)
	}
}

// watchMain closes the channel when the main process has ended. It waits in the poller, which costs a
// short pod less than a thread that blocks in wait4.
func watchMain(pidfd int, ended chan<- struct{}) {
	defer close(ended)
	_ = unix.SetNonblock(pidfd, true) // else the wait below holds a thread, and works too
	file := os.NewFile(uintptr(pidfd), "main")
	defer func() { _ = file.Close() }() // nothing was written
	conn, err := file.SyscallConn()
	if err != nil {
		return
	}
	_ = conn.Read(func(fd uintptr) bool {
		fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		n, err := unix.Poll(fds, 0)
		return n > 0 || (err != nil && !errors.Is(err, unix.EINTR))
	})
}

// reap waits for every child and sends each one, then closes the channel: no descendant is left. It
// takes over from sweep for the pods that leave orphans.
func reap(out chan<- reaped) {
	defer close(out)
	for {
		var r reaped
		pid, err := unix.Wait4(-1, &r.status, 0, &r.usage)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil: // ECHILD
			return
		}
		r.pid = pid
		out <- r
	}
}

// totals adds up what wait4 tells. Each process is counted once, with the children that it waited
// for itself.
type totals struct {
	user, system  time.Duration
	maxRSSKiBytes int64
}

func (t *totals) add(u unix.Rusage) {
	t.user += time.Duration(u.Utime.Nano())
	t.system += time.Duration(u.Stime.Nano())
	t.maxRSSKiBytes = max(t.maxRSSKiBytes, u.Maxrss)
}
