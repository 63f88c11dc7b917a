package main

import (
	"errors"
	"time"

	"golang.org/x/sys/unix"
)

// reaped is one ended child of the shim, orphans of the pod included.
type reaped struct {
	pid    int
	status unix.WaitStatus
	usage  unix.Rusage
}

// reap waits for every child and sends each one, then closes the channel: no descendant is left.
// The main process must run before it is called.
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
