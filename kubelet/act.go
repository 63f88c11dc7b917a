package kubelet

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/internal/backoff"
	"github.com/coxswain-hpc/coxswain/internal/clock"
	"github.com/coxswain-hpc/coxswain/kubelet/reconcile"
	"github.com/coxswain-hpc/coxswain/kubelet/runtime"
	"github.com/coxswain-hpc/coxswain/kubelet/shim/shimapi"
	"github.com/coxswain-hpc/coxswain/kubelet/step"
)

// tries is how often a request to a shim is repeated before the pod is killed without its help.
const tries = 3

// retry is the wait between tries, and between those of a clean-up that fails.
var retry = backoff.Policy{Min: time.Second, Max: time.Minute}

// act does one action: what is quick at once, the rest in a goroutine of its own.
func (a *agent) act(do reconcile.Action) {
	p := a.pods[do.Key]
	switch do.Verb {
	case reconcile.VerbStart:
		a.start(do.Assignment, p)
	case reconcile.VerbEnd:
		a.endUnstarted(do)
	case reconcile.VerbStop:
		p.Phase, p.Stopping = reconcile.PhaseStopping, do.Assignment.Stop
		p.Assignment = do.Assignment
		a.beside(func(ctx context.Context) { a.stop(ctx, a.ref(do.Assignment), *do.Assignment.Stop) })
	case reconcile.VerbDeadline:
		p.TimeLimitSeconds = do.Assignment.TimeLimitSeconds
		p.Assignment = do.Assignment
		a.beside(func(ctx context.Context) { a.setDeadline(ctx, do.Assignment) })
	case reconcile.VerbOffer:
		p.OfferedTo = a.desired.Epoch
		a.say(p, p.report)
	case reconcile.VerbKill:
		a.log.Warn("killing a pod that the store does not want here", slog.String("pod", do.Key.String()))
		p.Phase, p.Killed = reconcile.PhaseStopping, true
		a.beside(func(ctx context.Context) { a.kill(ctx, a.ref(do.Assignment)) })
	case reconcile.VerbForget:
		a.forget(p)
	}
}

// beside runs f in a goroutine that the kubelet waits for when it ends.
func (a *agent) beside(f func(ctx context.Context)) {
	a.work.Go(func() { f(a.ctx) })
}

func (a *agent) ref(assignment api.PodAssignment) runtime.Pod {
	key := assignment.Key
	return runtime.Pod{Key: key, Dir: a.store.Dir(key), Group: step.CgroupPod(assignment)}
}

// endUnstarted ends an attempt of which no process ever was.
func (a *agent) endUnstarted(do reconcile.Action) {
	p := a.pods[do.Key]
	if p == nil {
		p = &pod{Pod: reconcile.Pod{Assignment: do.Assignment, Epoch: a.desired.Epoch}}
		a.pods[do.Key] = p
	}
	p.cleaned = true
	a.ended(p, api.PodReport{
		Key: do.Key, State: do.State, At: a.clock.Now(),
		Exit: &api.PodExit{Reason: do.Reason, Message: do.Message},
	})
}

// stop tells the shim. One that doesn't answer (it may itself be stopped) is not waited for: its
// pod is killed.
func (a *agent) stop(ctx context.Context, ref runtime.Pod, stop api.PodStop) {
	grace := time.Duration(stop.GraceSeconds) * time.Second
	err := a.persist(ctx, func() error {
		return a.runtime.Stop(ctx, ref, shimapi.Reason(stop.State), grace)
	})
	if err != nil && ctx.Err() == nil {
		a.log.ErrorContext(ctx, "the shim can't be told to stop; killing the pod",
			slog.String("pod", ref.Key.String()), slog.Any("error", err))
		a.kill(ctx, ref)
	}
}

func (a *agent) setDeadline(ctx context.Context, assignment api.PodAssignment) {
	ref := a.ref(assignment)
	limit := time.Duration(assignment.TimeLimitSeconds) * time.Second
	err := a.persist(ctx, func() error { return a.runtime.SetTimeLimit(ctx, ref, limit) })
	if err != nil && ctx.Err() == nil {
		a.log.ErrorContext(ctx, "the time limit can't be changed", slog.String("pod", ref.Key.String()),
			slog.Any("error", err))
	}
}

// persist repeats a request a few times. A pod that has ended meanwhile is no error.
func (a *agent) persist(ctx context.Context, f func() error) error {
	var err error
	for range tries {
		if err = f(); err == nil || errors.Is(err, runtime.ErrEnded) {
			return nil
		}
		if clock.Sleep(ctx, a.clock, retry.Min) != nil {
			return err
		}
	}
	return err
}

// kill repeats until nothing of the pod runs.
func (a *agent) kill(ctx context.Context, ref runtime.Pod) {
	for failures := 1; ctx.Err() == nil; failures++ {
		err := a.runtime.Kill(ctx, ref)
		if err == nil {
			return
		}
		a.log.ErrorContext(ctx, "a pod can't be killed", slog.String("pod", ref.Key.String()), slog.Any("error", err))
		_ = clock.Sleep(ctx, a.clock, min(retry.Min<<min(failures, 6), retry.Max)) // ends with ctx
	}
}

// forget removes a pod for good, as soon as it is cleaned up.
func (a *agent) forget(p *pod) {
	p.Phase, p.forget = reconcile.PhaseCleaning, true
	a.outbox.Drop(p.Assignment.Key)
	if p.cleaned {
		a.remove(p)
	}
}

// remove drops the pod's directory, the last that is left of it.
func (a *agent) remove(p *pod) {
	key := p.Assignment.Key
	if !p.onDisk {
		delete(a.pods, key)
		return
	}
	ref := a.ref(p.Assignment)
	a.beside(func(ctx context.Context) {
		a.runtime.Forget(ctx, ref)
		a.untilDone(ctx, "remove the pod's directory", ref, func() error { return a.store.Remove(key) })
		a.post(func() {
			delete(a.pods, key)
			a.changed(key)
		})
	})
}

// untilDone repeats f until it works, and shows people that it doesn't.
func (a *agent) untilDone(ctx context.Context, what string, ref runtime.Pod, f func() error) {
	for failures := 1; ctx.Err() == nil; failures++ {
		err := f()
		if err == nil {
			if failures > 1 {
				a.post(func() { a.clearCondition(conditionCleanup) })
			}
			return
		}
		a.log.ErrorContext(ctx, "clean-up failed", slog.String("what", what), slog.String("pod", ref.Key.String()),
			slog.Any("error", err))
		a.post(func() { a.condition(conditionCleanup, err.Error()) })
		_ = clock.Sleep(ctx, a.clock, min(retry.Min<<min(failures, 6), retry.Max)) // ends with ctx
	}
}
