// Package runtime is the seam between the agent and what runs pods: plain processes under a shim
// (package process), later containers of a CRI runtime, and a fake for tests (package fake). One
// suite, runtimetest, holds all of them to the contract below.
//
// A runtime runs what a finished spec says. It makes no control group, opens no file of the user's
// and decides nothing about a pod's state in the store.
package runtime

import (
	"context"
	"errors"
	"syscall"
	"time"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/kubelet/cgroup"
	"github.com/coxswain-hpc/coxswain/kubelet/shim/shimapi"
)

// Pod names a pod to a runtime.
type Pod struct {
	Key api.PodKey
	// Dir is the pod's private directory, which exists; the runtime keeps its files there.
	Dir string
	// Group is the pod's control group.
	Group cgroup.Pod
}

// Errors of a runtime; they arrive wrapped.
var (
	// ErrEnded: the pod has ended, the request came too late. Wait tells how it ended.
	ErrEnded = errors.New("the pod has ended")
	// ErrLost: whatever held the pod's processes died without saying how the pod ended. The
	// processes have been killed when Wait returns it.
	ErrLost = errors.New("the pod was lost")
	// ErrNeverStarted: no process of the pod ever existed.
	ErrNeverStarted = errors.New("the pod was never started")
)

// Runtime runs pods. Calls for different pods may run at once. Those for one pod may too, after
// Start or Adopt of it has returned.
type Runtime interface {
	// Start starts the pod and returns its state once the main process runs. A start that fails
	// before the user's first instruction is no error: the state then has no start time, and Wait
	// gives a record that says why. After an error, Kill must be called; ErrLost among them means that
	// the user's program may have begun.
	Start(ctx context.Context, pod Pod, spec shimapi.Spec) (shimapi.State, error)
	// Adopt finds a pod that an earlier process of the kubelet started, once, before other calls
	// for it. It gives ErrNeverStarted or ErrLost (then Kill must be called), and no error for a pod
	// that runs or has ended.
	Adopt(ctx context.Context, pod Pod) (shimapi.State, error)
	// Wait waits for the end, any number of times. It gives ErrLost as described there.
	Wait(ctx context.Context, pod Pod) (shimapi.ExitRecord, error)
	// Stop begins to end the pod: TERM, the grace, KILL. The reason goes into the exit record; that
	// of the first stop stays. It doesn't wait. ErrEnded if it was too late.
	Stop(ctx context.Context, pod Pod, reason shimapi.Reason, grace time.Duration) error
	// Signal sends a signal. ErrEnded if it was too late.
	Signal(ctx context.Context, pod Pod, sig syscall.Signal, to shimapi.Target) error
	// SetTimeLimit replaces the time limit, counted from the pod's start; 0 is none. ErrEnded if it
	// was too late.
	SetTimeLimit(ctx context.Context, pod Pod, limit time.Duration) error
	// Kill ends every process of the pod and waits for that, whatever state it is in. It may be
	// called for pods that the runtime has never seen.
	Kill(ctx context.Context, pod Pod) error
	// Attach takes the standard streams of a pod whose spec asked for that.
	Attach(ctx context.Context, pod Pod) (Attachment, error)
	// Forget drops what the runtime remembers of an ended pod, and nothing on disk. What watched over
	// the pod has a while to end by itself (it may serve an attached client), and is ended then; Dir
	// can be removed after it.
	Forget(ctx context.Context, pod Pod)
	// Close ends the runtime. Pods run on.
	Close()
}

// Attachment is an attached pod's streams. Next and Write may run at once.
type Attachment interface {
	// Next waits for the next frame of output; the one with Exit is the last.
	Next() (shimapi.Frame, error)
	// Write sends input, CloseInput ends it.
	Write(data []byte) (int, error)
	CloseInput() error
	// Close detaches and ends a Next that waits.
	Close() error
}
