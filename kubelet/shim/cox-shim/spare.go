package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"

	"golang.org/x/sys/unix"

	"github.com/coxswain-hpc/coxswain/kubelet/shim/shimapi"
)

// kubeletFD is a socket to the starting kubelet. It brings the state directory on a line, with a
// descriptor of the spec file. Back go a State line and an ExitRecord line, and shimapi.FreeLine
// from a shim that can take another pod.
const kubeletFD = 3

// podsMax is how many pods one shim serves, one after the other: starting the Go runtime costs more
// than the rest of a short pod. The bound keeps whatever might pile up in a process from doing so.
const podsMax = 200

// warmUp has package json learn our types while the shim still waits for a pod.
func warmUp() {
	data, err := json.Marshal(shimapi.Spec{User: &shimapi.User{}, Rlimits: []shimapi.Rlimit{{}}})
	if err == nil {
		err = json.Unmarshal(data, &shimapi.Spec{})
	}
	if err == nil {
		_, err = json.Marshal(shimapi.State{})
	}
	if err != nil {
		panic(err) // our own types always marshal
	}
}

// assignment is a pod's state directory and the lock on its spec.
type assignment struct {
	dir string
	// lock is the descriptor that came along; the kubelet took the lock before. It stays open as long
	// as the pod is ours and is never used: whoever can take that lock knows that no shim of the pod
	// is alive, without any doubt about pids.
	lock int
}

// release gives the lock back, once the exit record is durable.
func (a assignment) release() { _ = unix.Close(a.lock) }

// keepInherited keeps every descriptor that came with us from the program of the pod: whoever started
// the kubelet may have left it some, and those are root's.
func keepInherited() {
	const cloexec = 1 << 2 // CLOSE_RANGE_CLOEXEC
	if unix.CloseRange(kubeletFD, math.MaxInt32, cloexec) == nil {
		return
	}
	const oldKernelMax = 1024 // the flag came with Linux 5.11
	for fd := kubeletFD; fd < oldKernelMax; fd++ {
		unix.CloseOnExec(fd)
	}
}

// awaitPod waits for a pod; an empty directory means that the kubelet closed its end.
func awaitPod() (assignment, error) {
	a := assignment{lock: -1}
	var line []byte
	chunk := make([]byte, unix.PathMax+1)
	rights := make([]byte, unix.CmsgSpace(4))
	for !bytes.HasSuffix(line, []byte("\n")) {
		n, control, _, _, err := unix.Recvmsg(kubeletFD, chunk, rights, unix.MSG_CMSG_CLOEXEC)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return a, fmt.Errorf("read descriptor %d: %w", kubeletFD, err)
		case n == 0 || len(line) > unix.PathMax:
			return a, nil
		}
		line = append(line, chunk[:n]...)
		if control > 0 {
			a.lock = descriptorIn(rights[:control])
		}
	}
	a.dir = string(bytes.TrimSuffix(line, []byte("\n")))
	return a, nil
}

// descriptorIn is the descriptor in a control message, or -1.
func descriptorIn(control []byte) int {
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil || len(messages) == 0 {
		return -1
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) == 0 {
		return -1
	}
	return fds[0]
}
