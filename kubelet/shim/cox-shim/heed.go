package main

import (
	"os"
	"os/signal"
	"unsafe"

	"golang.org/x/sys/unix"
)

// sigaction is the kernel's struct: the handler, flags, the restorer and the mask.
type sigaction [4]uint64

// The handlers that are none.
const (
	sigDefault = 0
	sigIgnore  = 1
)

// heedSignals undoes what a kubelet inherited that was started under nohup, in the background of a
// script, or by a shell with job control: a program could neither be interrupted nor trap what it finds
// ignored. A fork takes a caught signal back to its default; Go catches most of them at its start, and
// leaves SIGHUP, SIGINT, those of terminals and a few that libraries use inside as they were.
func heedSignals() {
	for sig := unix.Signal(1); sig <= signalMax; sig++ {
		if !ignored(sig) {
			continue
		}
		signal.Notify(make(chan os.Signal, 1), sig)
		if ignored(sig) { // one that Go never catches
			changeAction(sig, &sigaction{sigDefault}, nil)
		}
	}
}

func ignored(sig unix.Signal) bool {
	var now sigaction
	changeAction(sig, nil, &now)
	return now[0] == sigIgnore
}

// changeAction sets and reads what a signal does. It can't fail: the signals that nobody may change are
// never ignored.
func changeAction(sig unix.Signal, action, old *sigaction) {
	const maskBytes = signalMax / 8
	//nolint:errcheck,gosec // it can't fail, and the pointers outlive the call
	unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(sig), uintptr(unsafe.Pointer(action)),
		uintptr(unsafe.Pointer(old)), maskBytes, 0, 0)
}
