package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/coxswain-hpc/coxswain/kubelet/shim/shimapi"
)

// kubeletFD is a socket to the starting kubelet. It brings the state directory on a line, with a
// descriptor of the spec file. Back go a State line and an ExitRecord line.
const kubeletFD = 3

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

// awaitPod waits for a state directory; none means that the kubelet closed its end.
//
// The descriptor that comes with it carries the lock on the spec, which the kubelet took before. It
// stays open as long as this process lives and is never used: whoever can take that lock knows that
// no shim of the pod is alive, without any doubt about pids.
func awaitPod() (string, error) {
	unix.CloseOnExec(kubeletFD)
	var line []byte
	chunk := make([]byte, unix.PathMax+1)
	rights := make([]byte, unix.CmsgSpace(4))
	for !bytes.HasSuffix(line, []byte("\n")) {
		n, _, _, _, err := unix.Recvmsg(kubeletFD, chunk, rights, unix.MSG_CMSG_CLOEXEC)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return "", fmt.Errorf("read descriptor %d: %w", kubeletFD, err)
		case n == 0 || len(line) > unix.PathMax:
			return "", nil
		}
		line = append(line, chunk[:n]...)
	}
	return string(bytes.TrimSuffix(line, []byte("\n"))), nil
}
