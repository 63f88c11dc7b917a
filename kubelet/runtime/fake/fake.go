// Package fake is a runtime without processes, for tests and simulations: pods are entries in a map,
// end when they are told to, and outlive the runtime that started them, as long as their World does.
//
// It keeps the contract of package runtime, proved by runtimetest. Time passes only by World.Advance.
package fake

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"syscall"
	"time"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/kubelet/runtime"
	"github.com/coxswain-hpc/coxswain/kubelet/shim/shimapi"
)

// Plan says what a pod does when it runs.
type Plan struct {
	// Code is its exit code, After the time until it exits; negative runs until it is stopped.
	Code  int
	After time.Duration
	// Fail is the start error of a pod that never runs.
	Fail *shimapi.StartError
	// Stubborn pods ignore TERM and end with KILL, after the grace.
	Stubborn bool
}

// World is the machine: it outlives the kubelets on it.
type World struct {
	mu   sync.Mutex
	now  time.Duration
	wall time.Time
	pods map[string]*pod // by directory
	// plan says what each pod does.
	plan func(key api.PodKey, spec shimapi.Spec) Plan
}

type pod struct {
	key     api.PodKey
	spec    shimapi.Spec
	plan    Plan
	state   shimapi.State
	exitAt  time.Duration // of its own; negative is never
	limitAt time.Duration // 0 is none
	killAt  time.Duration // 0 is none
	reason  shimapi.Reason
	signals []syscall.Signal
	done    chan struct{}
	record  shimapi.ExitRecord
	lost    bool
}

// NewWorld makes a machine on which pods do what plan says.
func NewWorld(wall time.Time, plan func(api.PodKey, shimapi.Spec) Plan) *World {
	return &World{wall: wall, pods: map[string]*pod{}, plan: plan, now: time.Second}
}

// Advance lets time pass and ends the pods whose time has come.
func (w *World) Advance(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now += d
	for _, p := range w.pods {
		w.tick(p)
	}
}

// Lose kills the pod's shim: it leaves no record.
func (w *World) Lose(pod runtime.Pod) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if p := w.pods[pod.Dir]; p != nil && !p.over() {
		p.lost = true
		close(p.done)
	}
}

// Signals lists the signals that a pod got.
func (w *World) Signals(pod runtime.Pod) []syscall.Signal {
	w.mu.Lock()
	defer w.mu.Unlock()
	if p := w.pods[pod.Dir]; p != nil {
		return append([]syscall.Signal(nil), p.signals...)
	}
	return nil
}

func (p *pod) over() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// tick ends a pod that is due. The caller holds the lock.
func (w *World) tick(p *pod) {
	switch {
	case p.over():
	case p.exitAt >= 0 && w.now >= p.exitAt && p.reason == "":
		w.finish(p, shimapi.ReasonExited, p.plan.Code, 0)
	case p.limitAt > 0 && w.now >= p.limitAt && p.reason == "":
		w.beginStop(p, shimapi.ReasonTimeout, time.Duration(p.spec.GraceMS)*time.Millisecond)
	}
	if !p.over() && p.killAt > 0 && w.now >= p.killAt {
		w.finish(p, p.reason, 0, int(syscall.SIGKILL))
	}
}

// beginStop sends TERM, which ends all but the stubborn.
func (w *World) beginStop(p *pod, reason shimapi.Reason, grace time.Duration) {
	if p.reason == "" {
		p.reason = reason
	}
	if !p.plan.Stubborn {
		w.finish(p, p.reason, 0, int(syscall.SIGTERM))
		return
	}
	if at := w.now + grace; p.killAt == 0 || at < p.killAt {
		p.killAt = at
	}
	w.tick(p)
}

func (w *World) finish(p *pod, reason shimapi.Reason, code, signal int) {
	p.state.Phase = shimapi.PhaseEnded
	p.record = shimapi.ExitRecord{
		Version: shimapi.Version, Pod: p.spec.Pod, Attempt: p.spec.Attempt, Reason: reason, ExitCode: code,
		Signal: signal,
		Start:  p.plan.Fail, StartedUnixNS: p.state.StartedUnixNS, StartedBoottimeNS: p.state.StartedBoottimeNS,
		EndedUnixNS: w.wall.Add(w.now).UnixNano(), EndedBoottimeNS: w.now.Nanoseconds(),
	}
	close(p.done)
}

// Runtime is one kubelet's view of the world.
type Runtime struct{ world *World }

var _ runtime.Runtime = Runtime{}

// New returns a runtime on that machine.
func New(world *World) Runtime { return Runtime{world: world} }

// Start implements runtime.Runtime.
func (r Runtime) Start(_ context.Context, ref runtime.Pod, spec shimapi.Spec) (shimapi.State, error) {
	w := r.world
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.pods[ref.Dir] != nil {
		return shimapi.State{}, fmt.Errorf("start pod %s: it was started before", ref.Key)
	}
	p := &pod{key: ref.Key, spec: spec, plan: w.plan(ref.Key, spec), done: make(chan struct{}), exitAt: -1}
	w.pods[ref.Dir] = p
	p.state = shimapi.State{Version: shimapi.Version, Pod: spec.Pod, Attempt: spec.Attempt}
	if p.plan.Fail != nil {
		w.finish(p, shimapi.ReasonStartFailed, 0, 0)
		return p.state, nil
	}
	p.state.Phase = shimapi.PhaseRunning
	p.state.StartedUnixNS, p.state.StartedBoottimeNS = w.wall.Add(w.now).UnixNano(), w.now.Nanoseconds()
	started := p.state
	if p.plan.After >= 0 {
		p.exitAt = w.now + p.plan.After
	}
	if spec.TimeLimitMS > 0 {
		p.limitAt = w.now + time.Duration(spec.TimeLimitMS)*time.Millisecond
	}
	w.tick(p)
	return started, nil
}

// Adopt implements runtime.Runtime.
func (r Runtime) Adopt(_ context.Context, ref runtime.Pod) (shimapi.State, error) {
	p, err := r.find(ref, runtime.ErrNeverStarted)
	if err != nil {
		return shimapi.State{}, err
	}
	r.world.mu.Lock()
	defer r.world.mu.Unlock()
	if p.lost {
		return shimapi.State{}, fmt.Errorf("adopt pod %s: %w", ref.Key, runtime.ErrLost)
	}
	return p.state, nil
}

func (r Runtime) find(ref runtime.Pod, missing error) (*pod, error) {
	r.world.mu.Lock()
	defer r.world.mu.Unlock()
	p := r.world.pods[ref.Dir]
	if p == nil {
		return nil, fmt.Errorf("pod %s: %w", ref.Key, missing)
	}
	return p, nil
}

// Wait implements runtime.Runtime.
func (r Runtime) Wait(ctx context.Context, ref runtime.Pod) (shimapi.ExitRecord, error) {
	p, err := r.find(ref, runtime.ErrEnded)
	if err != nil {
		return shimapi.ExitRecord{}, err
	}
	select {
	case <-p.done:
	case <-ctx.Done():
		return shimapi.ExitRecord{}, context.Cause(ctx)
	}
	if p.lost {
		return shimapi.ExitRecord{}, fmt.Errorf("pod %s: %w", ref.Key, runtime.ErrLost)
	}
	return p.record, nil
}

// running does f to a pod that has not ended.
func (r Runtime) running(ref runtime.Pod, f func(*World, *pod)) error {
	p, err := r.find(ref, runtime.ErrEnded)
	if err != nil {
		return err
	}
	r.world.mu.Lock()
	defer r.world.mu.Unlock()
	if p.over() {
		return fmt.Errorf("pod %s: %w", ref.Key, runtime.ErrEnded)
	}
	f(r.world, p)
	return nil
}

// Stop implements runtime.Runtime.
func (r Runtime) Stop(_ context.Context, ref runtime.Pod, reason shimapi.Reason, grace time.Duration) error {
	return r.running(ref, func(w *World, p *pod) { w.beginStop(p, reason, grace) })
}

// Signal implements runtime.Runtime.
func (r Runtime) Signal(_ context.Context, ref runtime.Pod, sig syscall.Signal, _ shimapi.Target) error {
	return r.running(ref, func(w *World, p *pod) {
		p.signals = append(p.signals, sig)
		if sig == syscall.SIGKILL {
			w.finish(p, shimapi.ReasonSignaled, 0, int(sig))
		}
	})
}

// SetTimeLimit implements runtime.Runtime.
func (r Runtime) SetTimeLimit(_ context.Context, ref runtime.Pod, limit time.Duration) error {
	return r.running(ref, func(w *World, p *pod) {
		p.limitAt = 0
		if limit > 0 {
			p.limitAt = time.Duration(p.state.StartedBoottimeNS) + limit
		}
		w.tick(p)
	})
}

// Kill implements runtime.Runtime.
func (r Runtime) Kill(_ context.Context, ref runtime.Pod) error {
	err := r.running(ref, func(w *World, p *pod) { w.finish(p, shimapi.ReasonShimLost, 0, int(syscall.SIGKILL)) })
	if errors.Is(err, runtime.ErrEnded) {
		return nil
	}
	return err
}

// Attach implements runtime.Runtime: a fake pod writes nothing and ends with its record.
func (r Runtime) Attach(_ context.Context, ref runtime.Pod) (runtime.Attachment, error) {
	p, err := r.find(ref, runtime.ErrEnded)
	if err != nil {
		return nil, err
	}
	if !p.spec.Attach {
		return nil, fmt.Errorf("attach to pod %s: its output goes to files", ref.Key)
	}
	return &attachment{pod: p, closed: make(chan struct{})}, nil
}

// Forget implements runtime.Runtime: the world remembers, as a directory does until it is removed.
func (r Runtime) Forget(context.Context, runtime.Pod) {}

// Close implements runtime.Runtime.
func (r Runtime) Close() {}

type attachment struct {
	pod    *pod
	once   sync.Once
	closed chan struct{}
}

func (a *attachment) Next() (shimapi.Frame, error) {
	select {
	case <-a.pod.done:
		record := a.pod.record
		return shimapi.Frame{Channel: shimapi.ChannelExit, EOF: true, Exit: &record}, nil
	case <-a.closed:
		return shimapi.Frame{}, io.ErrClosedPipe
	}
}

func (a *attachment) Write(data []byte) (int, error) { return len(data), nil }
func (a *attachment) CloseInput() error              { return nil }

func (a *attachment) Close() error {
	a.once.Do(func() { close(a.closed) })
	return nil
}
