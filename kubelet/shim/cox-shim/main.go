// Command cox-shim owns the processes of one pod and outlives the kubelet that started it.
//
// It is started outside the pod's control groups and waits on a socket for the name of the pod's
// state directory, so that the kubelet can have one ready. Then it reads the spec there, starts
// the main process as the user, serves the socket in DIR, enforces the deadlines on CLOCK_BOOTTIME
// whether or not anybody is there to ask, kills what the main process left behind, and writes the
// exit record durably before it ends. A shim whose pod left no trace in it then takes another one:
// one at a time. A shim that dies without a record has failed its pod: the
// kubelet then kills the group.
//
// One goroutine (pod.go) holds all state; the others only turn system calls into events for it.
// Nothing here may import more than the standard library, x/sys, shimapi and podgroup, nor package
// net: at hundreds of starts a second each page that the program touches counts.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/coxswain-hpc/coxswain/kubelet/shim/shimapi"
)

// Exit statuses of the shim itself; the kubelet reads the record, people may read these.
const (
	statusUsage  = 2
	statusFailed = 1
)

// deaf is done once in the life of a shim.
var deaf sync.Once //nolint:gochecknoglobals // signals are the process's

func main() {
	keepInherited()
	warmUp()
	kubelet := os.NewFile(kubeletFD, "kubelet")
	for range podsMax {
		// The start changes identity and groups of its thread for a moment (raw.go, launch.go).
		runtime.LockOSThread()
		pod, err := awaitPod()
		if err != nil {
			fmt.Fprintln(os.Stderr, "cox-shim is started by cox kubelet, not by hand:", err)
			os.Exit(statusUsage)
		}
		if pod.dir == "" {
			return // the kubelet needs this spare no more
		}
		p, err := run(pod.dir, kubelet)
		if err != nil {
			fmt.Fprintln(os.Stderr, "cox-shim:", err)
			os.Exit(statusFailed)
		}
		if !p.leavesNothing() {
			return
		}
		pod.release()
		if _, err := kubelet.WriteString(shimapi.FreeLine + "\n"); err != nil {
			return // the kubelet is gone
		}
	}
}

// run is the life of a shim with one pod. Its working directory is the state directory, so all paths
// in it are short, as a socket's must be.
func run(dir string, kubelet *os.File) (*pod, error) {
	if err := os.Chdir(dir); err != nil {
		return nil, fmt.Errorf("enter the state directory: %w", err)
	}
	spec, listener, err := setUp()
	p := newPod(spec, kubelet)
	if err != nil {
		p.finish(shimapi.ExitRecord{
			Reason: shimapi.ReasonStartFailed, Start: nodeError(shimapi.StepSpec, dir, err),
		})
		return p, p.loop()
	}
	p.start()
	runtime.UnlockOSThread()
	go serve(listener, p)
	if err := p.loop(); err != nil {
		return p, err
	}
	_ = p.alarm.close() // both were only read
	_ = listener.Close()
	return p, os.Chdir("/")
}

// setUp does what a shim needs before it can start anything.
func setUp() (spec shimapi.Spec, listener *os.File, err error) {
	if spec, err = readSpec(); err != nil {
		return spec, nil, err
	}
	// Orphans of the pod become our children, so that each one is reaped and counted.
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return spec, nil, fmt.Errorf("become subreaper: %w", err)
	}
	heedSignals()
	listener, err = listen()
	return spec, listener, err
}

// ignoreSignals makes the shim deaf to polite signals: only a stop request ends a pod. They are caught
// and dropped, since a program inherits what its parent ignores. It comes after the start, which it
// would only slow down.
func ignoreSignals() {
	signal.Notify(make(chan os.Signal, 1), unix.SIGHUP, unix.SIGINT, unix.SIGTERM, unix.SIGQUIT)
}

func readSpec() (shimapi.Spec, error) {
	var spec shimapi.Spec
	data, err := os.ReadFile(shimapi.SpecFile)
	if err != nil {
		return spec, fmt.Errorf("read the spec: %w", err)
	}
	if err := json.Unmarshal(data, &spec); err != nil {
		return spec, fmt.Errorf("parse the spec: %w", err)
	}
	if err := spec.Validate(); err != nil {
		return spec, fmt.Errorf("check the spec: %w", err)
	}
	return spec, nil
}
