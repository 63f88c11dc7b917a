package kubelet

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/internal/clock"
	"github.com/coxswain-hpc/coxswain/kubelet/checkpoint"
	"github.com/coxswain-hpc/coxswain/kubelet/outbox"
	"github.com/coxswain-hpc/coxswain/kubelet/reconcile"
	"github.com/coxswain-hpc/coxswain/kubelet/runtime"
	"github.com/coxswain-hpc/coxswain/kubelet/step"
)

// Bounds of the mailbox: posters wait when it is full, and the agent looks at this many messages
// before it decides what to do about them.
const (
	mailMax  = 1024
	batchMax = 256
)

// agent owns what the node knows. All fields below mail belong to its one goroutine, run; others
// reach them by posting a function.
type agent struct {
	opts    Options
	log     *slog.Logger
	clock   clock.Clock
	bootID  string
	store   *checkpoint.Store
	runtime runtime.Runtime
	steps   step.List
	starts  chan struct{} // held by those who start a pod
	cleans  chan struct{} // held by those who clean one up
	// sessions is held by each session.
	sessions chan struct{}
	ctx      context.Context //nolint:containedctx // what run gave, for the goroutines of actions
	work     sync.WaitGroup
	mail     chan func()

	status     api.NodeStatus
	conditions map[string]api.Condition
	dirty      bool // status has changed since it was sent
	link       *link
	desired    reconcile.Desired
	rebooted   bool // the machine was booted since the last welcome
	bootNoted  bool // seenBootFile says which boot this is
	lost       map[api.PodKey]bool
	pods       map[api.PodKey]*pod
	templates  map[string]api.KubeletTemplate
	fetching   map[string]bool
	outbox     outbox.Queue
	watchers   map[api.PodKey][]chan struct{} // sessions that wait for a change of a pod
	wake       time.Time
}

// pod is what the agent knows of one attempt.
type pod struct {
	reconcile.Pod
	// record is what is on disk; onDisk says whether anything is.
	record checkpoint.Record
	onDisk bool
	// report is the newest fact.
	report api.PodReport
	// cleaned: no group, script or temporary directory is left; forget: the store is done with it.
	cleaned bool
	forget  bool
	// signals wait for the pod to run; missing counts the tries without a template.
	signals []api.PodSignal
	missing int
}

// post has the agent run f soon. It is dropped when the kubelet ends.
func (a *agent) post(f func()) {
	select {
	case a.mail <- f:
	case <-a.ctx.Done():
	}
}

// run is the agent's goroutine.
func (a *agent) run(ctx context.Context) {
	timer := a.clock.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		a.settle()
		a.arm(timer)
		select {
		case f := <-a.mail:
			f()
			a.drain()
		case <-timer.C:
		case <-ctx.Done():
			return
		}
	}
}

// drain takes what else has arrived, so that a burst is decided on at once.
func (a *agent) drain() {
	for range batchMax {
		select {
		case f := <-a.mail:
			f()
		default:
			return
		}
	}
}

// arm sets the timer to when a delayed start is due.
func (a *agent) arm(timer *clock.Timer) {
	wait := time.Hour
	if !a.wake.IsZero() {
		wait = max(a.wake.Sub(a.steady()), 0)
	}
	timer.Reset(wait)
}

// steady is a time that a jump of the wall clock leaves alone: delays are measured by it.
func (a *agent) steady() time.Time { return time.Unix(0, 0).Add(a.clock.Boot()) }

// settle decides, acts, and sends what there is to say.
func (a *agent) settle() {
	in := reconcile.Input{
		Desired: a.desired, Lost: a.lost, Pods: make(map[api.PodKey]reconcile.Pod, len(a.pods)),
		Allocatable: a.status.Inventory.Allocatable, Topology: a.status.Inventory.Topology, Now: a.steady(),
	}
	for key, p := range a.pods {
		in.Pods[key] = p.Pod
	}
	result := reconcile.Diff(in)
	for _, action := range result.Actions {
		a.act(action)
	}
	a.wake = result.Wake
	a.flush()
}

// flush sends the next batch of reports, and the status if it changed.
func (a *agent) flush() {
	if a.link == nil {
		return
	}
	if a.dirty {
		status := a.nodeStatus()
		a.link.send(api.KubeletMessage{Node: &status})
		a.dirty = false
	}
	if batch, ok := a.outbox.Next(); ok {
		a.link.send(api.KubeletMessage{Report: &batch})
	}
}

// say queues a fact about a pod.
func (a *agent) say(p *pod, report api.PodReport) {
	p.report = report
	a.outbox.Add(report)
}

// started: the main process runs.
func (a *agent) started(p *pod, at time.Time) {
	p.Phase = reconcile.PhaseRunning
	p.TimeLimitSeconds = p.Assignment.TimeLimitSeconds
	a.say(p, api.PodReport{Key: p.Assignment.Key, State: api.PodRunning, At: at, StartedAt: &at})
	for _, s := range p.signals {
		a.signal(p, s)
	}
	p.signals = nil
	a.changed(p.Assignment.Key)
}

// ended: no process of the pod is left.
func (a *agent) ended(p *pod, report api.PodReport) {
	p.Phase = reconcile.PhaseEnded
	a.say(p, report)
	for _, s := range p.signals {
		a.answerSignal(s, "the pod has ended")
	}
	p.signals = nil
	a.changed(p.Assignment.Key)
}

// delayed: the start is to be tried again.
func (a *agent) delayed(p *pod, why *step.Delay) {
	p.Phase = reconcile.PhaseDelayed
	p.NotBefore = a.steady().Add(why.After)
	p.cleaned = true
	if why.Reason == api.ReasonNameService {
		a.condition(conditionNameService, why.Message)
	}
}

// cleanedUp: nothing of the pod is left but its directory.
func (a *agent) cleanedUp(p *pod) {
	p.cleaned = true
	if p.forget {
		a.remove(p)
	}
}
