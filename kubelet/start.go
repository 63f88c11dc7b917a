package kubelet

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/kubelet/checkpoint"
	"github.com/coxswain-hpc/coxswain/kubelet/reconcile"
	"github.com/coxswain-hpc/coxswain/kubelet/runtime"
	"github.com/coxswain-hpc/coxswain/kubelet/step"
)

const (
	// startTimeout bounds a start: a working directory on a dead file server would hold it for ever.
	startTimeout = 2 * time.Minute
	// startHold is how long a start keeps others waiting.
	startHold = 3 * time.Second
	// templateWait is between tries to start a pod whose template has not come; after
	// templateTries of them the attempt fails on this node.
	templateWait  = 2 * time.Second
	templateTries = 15
)

// start begins a pod, new or delayed.
func (a *agent) start(assignment api.PodAssignment, p *pod) {
	if p == nil {
		p = &pod{}
		a.pods[assignment.Key] = p
	}
	p.Pod = reconcile.Pod{Assignment: assignment, Epoch: a.desired.Epoch, Phase: reconcile.PhaseStarting}
	p.cleaned = false
	template, ok := a.templates[assignment.Template]
	if !ok {
		a.awaitTemplate(p)
		return
	}
	p.missing = 0
	epoch := p.Epoch
	a.beside(func(ctx context.Context) { a.live(ctx, p, launch{assignment, template, epoch}) })
}

// awaitTemplate asks for a template and delays the start; its arrival ends the delay.
func (a *agent) awaitTemplate(p *pod) {
	p.missing++
	if p.missing > templateTries {
		a.endUnstarted(reconcile.Action{
			Key: p.Assignment.Key, Assignment: p.Assignment, State: api.PodStartFailed, Reason: api.ReasonNode,
			Message: "the server has not sent the pod's template " + p.Assignment.Template,
		})
		return
	}
	a.delayed(p, &step.Delay{Reason: api.ReasonNode, Message: "waits for its template", After: templateWait})
	if name := p.Assignment.Template; a.link != nil && !a.fetching[name] {
		a.fetching[name] = true
		a.link.send(api.KubeletMessage{Fetch: &api.KubeletFetch{Templates: []string{name}}})
	}
}

// launch is what a start needs to know.
type launch struct {
	assignment api.PodAssignment
	template   api.KubeletTemplate
	epoch      string
}

// live is the life of a pod, in a goroutine of its own: start, wait for the end, clean up. Of p it
// only hands the pointer back to the agent.
func (a *agent) live(ctx context.Context, p *pod, l launch) {
	startedAt, err := a.launch(ctx, p, l)
	if ctx.Err() != nil {
		return // the kubelet ends: its successor finds out
	}
	var delay *step.Delay
	switch {
	case errors.As(err, &delay):
		a.log.WarnContext(ctx, "start delayed",
			slog.String("pod", l.assignment.Key.String()), slog.String("reason", delay.Message))
		a.cleanup(ctx, l.assignment)
		a.post(func() { a.delayed(p, delay) })
		return
	case err != nil:
		a.failed(ctx, p, l.assignment, err)
		return
	}
	if !startedAt.IsZero() {
		a.post(func() { a.started(p, startedAt) })
	}
	a.follow(ctx, p, l.assignment)
}

// launch runs the steps and starts the process. The checkpoint is written when all is ready and
// before a process can exist: a kubelet that dies earlier leaves nothing but residue, and starts the
// pod afresh when it is back.
func (a *agent) launch(ctx context.Context, p *pod, l launch) (time.Time, error) {
	leave, err := a.enterStart(ctx)
	if err != nil {
		return time.Time{}, err
	}
	defer leave()
	prepared := &step.Pod{Assignment: l.assignment, Template: l.template, Node: a.opts.Node, StartAt: a.clock.Now()}
	if err := a.steps.Prepare(ctx, prepared); err != nil {
		return time.Time{}, err
	}
	record := checkpoint.Record{
		Assignment: l.assignment, Epoch: l.epoch, BootID: a.bootID, Owner: prepared.Owner,
		Stdout: prepared.Spec.Stdout.Path, Stderr: prepared.Spec.Stderr.Path, Attach: prepared.Spec.Attach,
	}
	if err := a.store.Save(record); err != nil {
		return time.Time{}, err
	}
	a.post(func() { p.record, p.onDisk = record, true })
	starting, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	state, err := a.runtime.Start(starting, a.ref(l.assignment), prepared.Spec)
	if errors.Is(err, context.DeadlineExceeded) {
		return time.Time{}, hung(prepared)
	}
	if err != nil || state.StartedUnixNS == 0 {
		return time.Time{}, err
	}
	return unixTime(state.StartedUnixNS), nil
}

// hung is the end of a start that didn't come to the user's first instruction in time.
func hung(p *step.Pod) *step.Failure {
	return &step.Failure{State: api.PodStartFailed, Reason: api.ReasonNode, Message: fmt.Sprintf(
		"the start did not get through in %s: %s or a file of the standard input or output does not open "+
			"(a file server that is away, or a pipe without another end)", startTimeout, p.Spec.Dir)}
}

// enterStart waits for a place among the starts. It is given up after a while, whether or not the
// start is through: some working directories on a dead file server must not hold up everybody.
func (a *agent) enterStart(ctx context.Context) (leave func(), err error) {
	select {
	case a.starts <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	done := make(chan struct{})
	go func() {
		timer := a.clock.NewTimer(startHold)
		defer timer.Stop()
		select {
		case <-done:
		case <-timer.C:
		}
		<-a.starts
	}()
	return func() { close(done) }, nil
}

// failed ends an attempt whose start went wrong on this side.
func (a *agent) failed(ctx context.Context, p *pod, assignment api.PodAssignment, err error) {
	a.log.ErrorContext(ctx, "start failed", slog.String("pod", assignment.Key.String()), slog.Any("error", err))
	a.kill(ctx, a.ref(assignment))
	a.cleanup(ctx, assignment)
	report := a.failureReport(assignment.Key, err)
	a.post(func() {
		a.noteDisk(err)
		a.ended(p, report)
		a.cleanedUp(p)
	})
}

func (a *agent) failureReport(key api.PodKey, err error) api.PodReport {
	if errors.Is(err, runtime.ErrLost) {
		return a.lostReport(key, err) // the user's program may have begun
	}
	failure := step.FailureOf(err)
	return api.PodReport{
		Key: key, State: failure.State, At: a.clock.Now(),
		Exit: &api.PodExit{Reason: failure.Reason, Message: failure.Message},
	}
}

// follow waits for the end of a pod that runs, says so, and cleans up. The report goes out first: the
// processes are gone, and what is left of the pod takes no room in the books.
func (a *agent) follow(ctx context.Context, p *pod, assignment api.PodAssignment) {
	record, err := a.runtime.Wait(ctx, a.ref(assignment))
	if ctx.Err() != nil {
		return
	}
	a.post(func() {
		if err != nil {
			a.ended(p, a.lostReport(assignment.Key, err))
			return
		}
		a.ended(p, endOf(assignment.Key, record, p.Stopping))
	})
	a.cleanup(ctx, assignment)
	a.post(func() { a.cleanedUp(p) })
}

// lostReport is the end of a pod whose shim left no record.
func (a *agent) lostReport(key api.PodKey, err error) api.PodReport {
	a.log.Error("a pod's shim was lost", slog.String("pod", key.String()), slog.Any("error", err))
	return api.PodReport{
		Key: key, State: api.PodShimLost, At: a.clock.Now(),
		Exit: &api.PodExit{
			Reason:  api.ReasonShimLost,
			Message: "the process that watched over the pod died; the pod's processes were killed",
			Usage:   api.Usage{Missing: []string{"cpu_seconds", "peak_memory_bytes", "elapsed_seconds"}},
		},
	}
}

// cleanup undoes the steps, again and again until nothing is left.
func (a *agent) cleanup(ctx context.Context, assignment api.PodAssignment) {
	select {
	case a.cleans <- struct{}{}:
		defer func() { <-a.cleans }()
	case <-ctx.Done():
		return
	}
	a.untilDone(ctx, "undo the steps", a.ref(assignment), func() error {
		if err := a.steps.Cleanup(ctx, assignment); err != nil {
			return fmt.Errorf("clean up: %w", err)
		}
		return nil
	})
}
