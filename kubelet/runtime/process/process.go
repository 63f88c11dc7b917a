// Package process is the native runtime: a pod is a plain process of its user under a cox-shim,
// which outlives the kubelet.
//
// It turns the shim package's words into those of runtime.Runtime, and does the one thing that a
// shim can't do about itself: when a shim died without a record, it kills the pod's control group.
package process

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"syscall"
	"time"

	"github.com/coxswain-hpc/coxswain/internal/clock"
	"github.com/coxswain-hpc/coxswain/kubelet/cgroup"
	"github.com/coxswain-hpc/coxswain/kubelet/runtime"
	"github.com/coxswain-hpc/coxswain/kubelet/shim"
	"github.com/coxswain-hpc/coxswain/kubelet/shim/shimapi"
)

// killTimeout bounds the wait for killed processes: one in a dead file server's call may never end.
const killTimeout = 30 * time.Second

// shimPatience is how long a shim may take to write its record once its pod is killed.
const shimPatience = 10 * time.Second

// Runtime implements runtime.Runtime.
type Runtime struct {
	starter *shim.Starter
	cgroups cgroup.Driver
	clock   clock.Clock

	mu      sync.Mutex
	clients map[string]*shim.Client // by directory
}

var _ runtime.Runtime = (*Runtime)(nil)

// New starts nothing yet. The starter is the runtime's from now on.
func New(starter *shim.Starter, cgroups cgroup.Driver, c clock.Clock) *Runtime {
	return &Runtime{starter: starter, cgroups: cgroups, clock: c, clients: map[string]*shim.Client{}}
}

// Start implements runtime.Runtime.
func (r *Runtime) Start(ctx context.Context, pod runtime.Pod, spec shimapi.Spec) (shimapi.State, error) {
	c, err := r.starter.Start(ctx, pod.Dir, spec)
	switch {
	case errors.Is(err, shim.ErrLost):
		return shimapi.State{}, fmt.Errorf("%w: %w", runtime.ErrLost, err)
	case err != nil:
		return shimapi.State{}, err
	}
	r.put(pod, c)
	return c.State(), nil
}

// Adopt implements runtime.Runtime.
func (r *Runtime) Adopt(ctx context.Context, pod runtime.Pod) (shimapi.State, error) {
	c, err := shim.Adopt(ctx, pod.Dir)
	switch {
	case errors.Is(err, shim.ErrNoPod):
		return shimapi.State{}, fmt.Errorf("adopt pod %s: %w", pod.Key, runtime.ErrNeverStarted)
	case errors.Is(err, shim.ErrLost):
		return shimapi.State{}, fmt.Errorf("adopt pod %s: %w", pod.Key, runtime.ErrLost)
	case err != nil:
		return shimapi.State{}, fmt.Errorf("adopt pod %s: %w", pod.Key, err)
	}
	r.put(pod, c)
	return c.State(), nil
}

func (r *Runtime) put(pod runtime.Pod, c *shim.Client) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.clients[pod.Dir] = c
}

func (r *Runtime) client(pod runtime.Pod) (*shim.Client, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c, ok := r.clients[pod.Dir]
	if !ok {
		return nil, fmt.Errorf("pod %s: %w", pod.Key, runtime.ErrEnded)
	}
	return c, nil
}

// Wait implements runtime.Runtime.
func (r *Runtime) Wait(ctx context.Context, pod runtime.Pod) (shimapi.ExitRecord, error) {
	c, err := r.client(pod)
	if err != nil {
		return shimapi.ExitRecord{}, err
	}
	record, err := c.Wait(ctx)
	if err == nil || ctx.Err() != nil {
		return record, err
	}
	// Without its shim nobody holds the deadline or the record of these processes any more.
	killErr := r.killGroup(ctx, pod)
	return record, errors.Join(fmt.Errorf("pod %s: %w: %w", pod.Key, runtime.ErrLost, err), killErr)
}

// Stop implements runtime.Runtime.
func (r *Runtime) Stop(ctx context.Context, pod runtime.Pod, reason shimapi.Reason, grace time.Duration) error {
	c, err := r.client(pod)
	if err != nil {
		return err
	}
	return ended(c.Stop(ctx, reason, grace))
}

// ended translates the shim's word.
func ended(err error) error {
	if shim.IsEnded(err) {
		return fmt.Errorf("%w: %w", runtime.ErrEnded, err)
	}
	return err
}

// Signal implements runtime.Runtime.
func (r *Runtime) Signal(ctx context.Context, pod runtime.Pod, sig syscall.Signal, to shimapi.Target) error {
	c, err := r.client(pod)
	if err != nil {
		return err
	}
	return ended(c.Signal(ctx, sig, to))
}

// SetTimeLimit implements runtime.Runtime. The shim's deadline is an instant, so that it holds
// whatever happens to the kubelet.
func (r *Runtime) SetTimeLimit(ctx context.Context, pod runtime.Pod, limit time.Duration) error {
	c, err := r.client(pod)
	if err != nil {
		return err
	}
	at := int64(0)
	if started := c.State().StartedBoottimeNS; limit > 0 {
		at = started + limit.Nanoseconds()
	}
	return ended(c.SetDeadline(ctx, shimapi.DeadlineTimeLimit, at))
}

// Kill implements runtime.Runtime. A shim that is alive is told first, so that it writes a record
// and ends; then the group is killed, which needs no shim. A shim that doesn't end is killed too, and
// what it started meanwhile.
func (r *Runtime) Kill(ctx context.Context, pod runtime.Pod) error {
	c, err := r.client(pod)
	if err != nil {
		if c, err = shim.Adopt(ctx, pod.Dir); err == nil {
			r.put(pod, c)
		}
	}
	if err != nil {
		return r.killWithShim(ctx, pod)
	}
	// Whatever comes of this, the group is killed next.
	_ = c.Stop(ctx, shimapi.ReasonShimLost, 0)
	if err := r.killGroup(ctx, pod); err != nil {
		return err
	}
	waiting, cancel := context.WithTimeout(ctx, shimPatience)
	defer cancel()
	if _, err = c.Wait(waiting); err != nil && waiting.Err() != nil {
		return r.killWithShim(ctx, pod)
	}
	return nil // a lost shim is what was wanted
}

// killWithShim is for a shim that can't be talked to.
func (r *Runtime) killWithShim(ctx context.Context, pod runtime.Pod) error {
	ending, cancel := context.WithTimeout(ctx, killTimeout)
	defer cancel()
	err := shim.End(ending, pod.Dir)
	if errors.Is(err, shim.ErrNoPod) {
		err = nil
	}
	return errors.Join(err, r.killGroup(ctx, pod))
}

func (r *Runtime) killGroup(ctx context.Context, pod runtime.Pod) error {
	ctx, cancel := context.WithTimeout(ctx, killTimeout)
	defer cancel()
	if err := r.cgroups.Kill(ctx, pod.Group); err != nil {
		return fmt.Errorf("kill the processes of pod %s: %w", pod.Key, err)
	}
	return nil
}

// Attach implements runtime.Runtime.
func (r *Runtime) Attach(ctx context.Context, pod runtime.Pod) (runtime.Attachment, error) {
	c, err := r.client(pod)
	if err != nil {
		return nil, err
	}
	a, err := c.Attach(ctx)
	if err != nil {
		return nil, err
	}
	return a, nil
}

// A shim stays a while after its pod: for an attached client that reads slowly or has not come yet,
// or because the disk has no room for its record.
const (
	lingerLook = 20 * time.Millisecond
	lingerMax  = 15 * time.Second
)

// Forget implements runtime.Runtime.
func (r *Runtime) Forget(ctx context.Context, pod runtime.Pod) {
	until := r.clock.Boot() + lingerMax
	for alive(pod) && r.clock.Boot() < until && ctx.Err() == nil {
		_ = clock.Sleep(ctx, r.clock, lingerLook) // the loop ends with ctx
	}
	if ctx.Err() == nil && alive(pod) {
		// The end is known and acknowledged: nobody needs its record any more.
		ending, cancel := context.WithTimeout(ctx, killTimeout)
		defer cancel()
		_ = shim.End(ending, pod.Dir) // what is left ends by itself, some time
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.clients, pod.Dir)
}

func alive(pod runtime.Pod) bool {
	alive, err := shim.Alive(pod.Dir)
	return err == nil && alive
}

// Close implements runtime.Runtime.
func (r *Runtime) Close() { r.starter.Close() }
