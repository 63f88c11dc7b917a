package main

import (
	"errors"
	"fmt"
	"math"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/coxswain-hpc/coxswain/kubelet/shim/shimapi"
)

// child is a started process. On failure after the fork, pid is set and the caller kills it.
type child struct {
	pid   int
	pidfd int
}

// timerSlack is the kernel's default, which a user's program gets instead of the shim's (start.go
// of the kubelet's side gives it a long one).
const timerSlack = 50 * time.Microsecond

// launch starts the main process in its leaf groups and gives its pid.
//
// It forks from a thread that has joined the v1 leaves: a child starts in the groups of the thread
// that forks it, so it is charged from its first page on and never runs outside. Writing "0" to a
// "tasks" file moves only the calling thread, for which the kernel needs no lock on all forks of the
// machine; writing a pid to cgroup.procs takes that lock and may stall for a grace period of RCU
// (milliseconds on an idle machine). In a cgroup2 tree threads can't move alone: the clone itself
// enters the leaf there. The goroutine must be locked to its thread, which goes back afterwards.
func launch(spec shimapi.Spec, p *prepared) (main child, failure *shimapi.StartError) {
	if spec.NoNewPrivs { // of this thread and what it forks; the shim itself needs none
		if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
			return main, nodeError(shimapi.StepIdentity, "", fmt.Errorf("no_new_privs: %w", err))
		}
	}
	slack, err := unix.PrctlRetInt(unix.PR_GET_TIMERSLACK, 0, 0, 0, 0)
	if err != nil {
		return main, nodeError(shimapi.StepExec, "", err)
	}
	if err := setTimerSlack(int(timerSlack)); err != nil {
		return main, nodeError(shimapi.StepExec, "", err)
	}
	defer func() {
		_ = setTimerSlack(slack) // only costs wake-ups
		for _, path := range spec.Cgroup.HomeTasks {
			if err := join(path); err != nil && failure == nil {
				failure = nodeError(shimapi.StepCgroup, path, err)
			}
		}
	}()
	return launchInside(spec, p)
}

func launchInside(spec shimapi.Spec, p *prepared) (child, *shimapi.StartError) {
	for _, path := range spec.Cgroup.Tasks {
		if err := join(path); err != nil {
			return child{}, nodeError(shimapi.StepCgroup, path, err)
		}
	}
	attr := &syscall.ProcAttr{
		Dir:   spec.Dir,
		Env:   spec.Env,
		Files: []uintptr{p.stdio[0].Fd(), p.stdio[1].Fd(), p.stdio[2].Fd()},
		Sys:   &syscall.SysProcAttr{Setsid: true, Credential: credential(spec.User)},
	}
	if leaf := spec.Cgroup.TrackerLeaf; leaf != "" {
		fd, err := unix.Open(leaf, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			return child{}, nodeError(shimapi.StepCgroup, leaf, err)
		}
		defer func() { _ = unix.Close(fd) }()
		attr.Sys.UseCgroupFD, attr.Sys.CgroupFD = true, fd
	}
	return forkExec(spec, p.program, attr)
}

// setTimerSlack sets how late this thread's timers, and those of what it forks, may be.
func setTimerSlack(ns int) error { return unix.Prctl(unix.PR_SET_TIMERSLACK, uintptr(ns), 0, 0, 0) }

// join moves the calling thread into a v1 group.
func join(path string) error {
	fd, err := unix.Open(path, unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	_, err = unix.Write(fd, []byte("0"))
	return errors.Join(err, unix.Close(fd))
}

func credential(user *shimapi.User) *syscall.Credential {
	if user == nil || os.Geteuid() != 0 {
		return nil
	}
	return &syscall.Credential{Uid: user.UID, Gid: user.GID, Groups: user.Groups}
}

// forkExec starts the program under the spec's soft limits. Limits belong to a process, so the shim
// takes them for the moment of the fork and then its own again. Two of them could break the shim in
// that moment; those are set from outside, on a child that a trace stops between exec and its first
// instruction.
func forkExec(spec shimapi.Spec, program string, attr *syscall.ProcAttr) (child, *shimapi.StartError) {
	before, after := splitRlimits(spec.Rlimits)
	restore, err := setRlimits(before)
	defer restore()
	if err != nil {
		return child{}, nodeError(shimapi.StepRlimit, "", err)
	}
	var c child
	attr.Sys.Ptrace, attr.Sys.PidFD = len(after) > 0, &c.pidfd
	c.pid, err = syscall.ForkExec(program, spec.Argv, attr)
	if err != nil {
		return child{}, execError(program, err)
	}
	if len(after) == 0 {
		return c, nil
	}
	if err := limitStopped(c.pid, spec.User, after); err != nil {
		return c, nodeError(shimapi.StepRlimit, "", err)
	}
	return c, nil
}

// splitRlimits keeps the limits on address space apart: under a small one the Go runtime can't map.
func splitRlimits(limits []shimapi.Rlimit) (before, after []shimapi.Rlimit) {
	for _, l := range limits {
		risky := l.Resource == unix.RLIMIT_AS || l.Resource == unix.RLIMIT_DATA
		switch {
		case risky && l.Soft != math.MaxUint64:
			after = append(after, l)
		default:
			before = append(before, l)
		}
	}
	return before, after
}

func setRlimits(limits []shimapi.Rlimit) (restore func(), err error) {
	type saved struct {
		resource int
		limit    unix.Rlimit
	}
	var old []saved
	restore = func() {
		for _, s := range old {
			_ = unix.Setrlimit(s.resource, &s.limit) // soft up to the same hard limit is always allowed
		}
	}
	for _, l := range limits {
		var current unix.Rlimit
		if err := unix.Getrlimit(l.Resource, &current); err != nil {
			return restore, fmt.Errorf("getrlimit %d: %w", l.Resource, err)
		}
		wanted := unix.Rlimit{Cur: min(l.Soft, current.Max), Max: current.Max}
		old = append(old, saved{l.Resource, current})
		if err := unix.Setrlimit(l.Resource, &wanted); err != nil {
			return restore, fmt.Errorf("setrlimit %d: %w", l.Resource, err)
		}
	}
	return restore, nil
}

// limitStopped sets limits on a child that stopped after exec, and lets it go. It does so as the
// user, since another user's limits take CAP_SYS_RESOURCE, which root in a container may lack.
func limitStopped(pid int, user *shimapi.User, limits []shimapi.Rlimit) error {
	var status unix.WaitStatus
	_, err := retryEINTR(func() (int, error) { return unix.Wait4(pid, &status, unix.WALL, nil) })
	if err != nil {
		return fmt.Errorf("wait for the exec: %w", err)
	}
	if !status.Stopped() {
		return fmt.Errorf("the process ended before its limits were set: status %#x", uint32(status))
	}
	back, err := becomeUser(user)
	if err != nil {
		return err
	}
	if err := errors.Join(limitOther(pid, limits), back()); err != nil {
		return err
	}
	if err := unix.PtraceDetach(pid); err != nil {
		return fmt.Errorf("let the process go: %w", err)
	}
	return nil
}

func limitOther(pid int, limits []shimapi.Rlimit) error {
	for _, l := range limits {
		var current unix.Rlimit
		if err := unix.Prlimit(pid, l.Resource, nil, &current); err != nil {
			return fmt.Errorf("prlimit %d: %w", l.Resource, err)
		}
		wanted := unix.Rlimit{Cur: min(l.Soft, current.Max), Max: current.Max}
		if err := unix.Prlimit(pid, l.Resource, &wanted, nil); err != nil {
			return fmt.Errorf("prlimit %d: %w", l.Resource, err)
		}
	}
	return nil
}
