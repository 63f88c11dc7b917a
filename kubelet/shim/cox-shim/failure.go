package main

import (
	"errors"
	"fmt"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/coxswain-hpc/coxswain/kubelet/shim/shimapi"
)

// nodeError is a failure that the user can't mend.
func nodeError(step shimapi.Step, path string, err error) *shimapi.StartError {
	message := fmt.Sprintf("start failed on the node at step %s: %v", step, err)
	return &shimapi.StartError{Step: step, Path: path, Errno: errnoOf(err), Message: message}
}

// pathError is a failure on the user's path. Most are the user's to mend; those of a broken file
// system or an exhausted node are not.
func pathError(step shimapi.Step, path string, err error) *shimapi.StartError {
	errno := errnoOf(err)
	return &shimapi.StartError{
		Step: step, Path: path, Errno: errno,
		Message: fmt.Sprintf(sentences[step], path, err),
		User:    slices.Contains(userErrnos, syscall.Errno(errno)),
	}
}

// sentences say what failed and what would help; %s is the path, %v the kernel's words.
var sentences = map[shimapi.Step]string{
	shimapi.StepWorkdir: "the working directory %s can't be entered: %v; " +
		"create it or choose another one with --chdir",
	shimapi.StepStdin: "the input file %s can't be opened: %v; check the path given with --input",
	shimapi.StepStdout: "the output file %s can't be written: %v; " +
		"its directory must exist and be writable, see --output",
	shimapi.StepStderr: "the error file %s can't be written: %v; " +
		"its directory must exist and be writable, see --error",
	shimapi.StepExec: "the command %s can't be executed: %v; check the spelling, PATH and its permissions",
}

// userErrnos mean that a path, a permission or a quota of the user's is wrong.
var userErrnos = []syscall.Errno{
	unix.ENOENT, unix.EACCES, unix.EPERM, unix.ENOTDIR, unix.EISDIR, unix.ELOOP, unix.ENAMETOOLONG,
	unix.EROFS, unix.ENOSPC, unix.EDQUOT, unix.ETXTBSY, unix.ENOEXEC, unix.E2BIG, unix.EINVAL,
	unix.ENXIO,  // a FIFO that nobody reads, a socket
	unix.EAGAIN, // the user's own limit on processes
}

// execError tells a missing command from a script whose interpreter is missing or that has no "#!".
func execError(program string, err error) *shimapi.StartError {
	failure := pathError(shimapi.StepExec, program, err)
	switch {
	case errors.Is(err, unix.ENOENT) && isRegular(program):
		failure.Message = fmt.Sprintf("%s can't be executed: the interpreter that its first line or header "+
			"names does not exist on this node", program)
	case errors.Is(err, unix.ENOEXEC):
		failure.Message = fmt.Sprintf("%s can't be executed: it is no program and has no first line "+
			`like "#!/bin/bash"`, program)
	}
	return failure
}

func errnoOf(err error) int {
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		return int(errno)
	}
	return 0
}
