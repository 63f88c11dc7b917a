package main

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// boottime is CLOCK_BOOTTIME, which counts while the machine sleeps, unlike Go's timers.
func boottime() int64 {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts) // can't fail with this clock
	return ts.Nano()
}

// alarm wakes the pod's loop at a boottime.
type alarm struct {
	file *os.File
	c    chan struct{}
}

func newAlarm() (*alarm, error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_BOOTTIME, unix.TFD_CLOEXEC|unix.TFD_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("make a timer: %w", err)
	}
	a := &alarm{file: os.NewFile(uintptr(fd), "timer"), c: make(chan struct{}, 1)}
	go a.watch()
	return a, nil
}

// close ends the alarm; a nil one was never made.
func (a *alarm) close() error {
	if a == nil {
		return nil
	}
	return a.file.Close()
}

func (a *alarm) watch() {
	expirations := make([]byte, 8)
	for {
		if _, err := a.file.Read(expirations); err != nil {
			return
		}
		select {
		case a.c <- struct{}{}:
		default: // the loop hasn't looked since the last one
		}
	}
}

// set arms the alarm for a boottime in nanoseconds; 0 disarms it. A time in the past fires at once.
func (a *alarm) set(at int64) error {
	conn, err := a.file.SyscallConn()
	if err != nil {
		return err
	}
	spec := unix.ItimerSpec{Value: unix.NsecToTimespec(at)}
	var setErr error
	err = conn.Control(func(fd uintptr) {
		setErr = unix.TimerfdSettime(int(fd), unix.TFD_TIMER_ABSTIME, &spec, nil)
	})
	if err != nil {
		return err
	}
	return setErr
}
