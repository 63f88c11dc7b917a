package sim

import (
	"time"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/kubelet/reconcile"
)

// As the real kubelet has them.
const (
	templateWait  = 2 * time.Second
	templateTries = 15
)

// act does one action.
func (a *agent) act(do reconcile.Action) {
	p := a.pods[do.Key]
	a.machine.sim.count("node does " + string(do.Verb))
	switch do.Verb {
	case reconcile.VerbStart:
		a.start(do.Assignment, p)
	case reconcile.VerbEnd:
		a.endUnstarted(do)
	case reconcile.VerbStop:
		p.Phase, p.Stopping, p.Assignment = reconcile.PhaseStopping, do.Assignment.Stop, do.Assignment
		a.tellShim(do.Key, func(proc *process) { proc.stop = do.Assignment.Stop })
	case reconcile.VerbDeadline:
		p.TimeLimitSeconds, p.Assignment = do.Assignment.TimeLimitSeconds, do.Assignment
		a.tellShim(do.Key, func(proc *process) {
			proc.limit = time.Duration(do.Assignment.TimeLimitSeconds) * time.Second
		})
	case reconcile.VerbOffer:
		p.OfferedTo = a.desired.Epoch
		a.say(p, p.report)
	case reconcile.VerbKill:
		p.Phase, p.Killed = reconcile.PhaseStopping, true
		a.kill(do.Key)
	case reconcile.VerbForget:
		a.forget(p)
	}
}

// tellShim reaches the shim a moment later, if its pod still runs.
func (a *agent) tellShim(key api.PodKey, change func(*process)) {
	a.later(upTo(a.rng, 20*time.Millisecond), func() {
		if proc, runs := a.machine.procs[key]; runs {
			change(proc)
			proc.plan()
		}
	})
}

// kill ends all of a pod without asking its shim.
func (a *agent) kill(key api.PodKey) {
	a.machine.sim.note("%s: kills %s", a.machine.name, key)
	a.later(upTo(a.rng, 100*time.Millisecond), func() {
		if proc, runs := a.machine.procs[key]; runs {
			proc.end(exit{state: api.PodShimLost, reason: api.ReasonShimLost, code: 137})
		}
	})
}

func (a *agent) endUnstarted(do reconcile.Action) {
	p := a.pods[do.Key]
	if p == nil {
		p = &pod{Pod: reconcile.Pod{Assignment: do.Assignment, Epoch: a.desired.Epoch}}
		a.pods[do.Key] = p
	}
	p.cleaned = true
	a.machine.sim.note("%s: %s ends unstarted as %s: %s", a.machine.name, do.Key, do.State, do.Message)
	a.ended(p, a.endReport(do.Key, do.State, do.Reason, do.Message))
}

func (a *agent) forget(p *pod) {
	p.Phase, p.forget = reconcile.PhaseCleaning, true
	a.outbox.Drop(p.Assignment.Key)
	if p.cleaned {
		a.remove(p)
	}
}

// start begins a pod, new or delayed.
func (a *agent) start(assignment api.PodAssignment, p *pod) {
	if p == nil {
		p = &pod{}
		a.pods[assignment.Key] = p
	}
	p.Pod = reconcile.Pod{Assignment: assignment, Epoch: a.desired.Epoch, Phase: reconcile.PhaseStarting}
	p.cleaned = false
	if _, has := a.templates[assignment.Template]; !has {
		a.awaitTemplate(p)
		return
	}
	p.missing = 0
	a.prepare(p, assignment)
}

func (a *agent) awaitTemplate(p *pod) {
	p.missing++
	if p.missing > templateTries {
		a.endUnstarted(reconcile.Action{
			Key: p.Assignment.Key, Assignment: p.Assignment, State: api.PodStartFailed, Reason: api.ReasonNode,
			Message: "the server has not sent the pod's template " + p.Assignment.Template,
		})
		return
	}
	a.delay(p, templateWait)
	if name := p.Assignment.Template; a.link != nil && !a.fetching[name] {
		a.fetching[name] = true
		a.machine.sim.count("fetch")
		a.link.toServer(api.KubeletMessage{Fetch: &api.KubeletFetch{Templates: []string{name}}})
	}
}

func (a *agent) delay(p *pod, d time.Duration) {
	p.Phase, p.cleaned = reconcile.PhaseDelayed, true
	p.NotBefore = a.machine.clock.Now().Add(d)
}

// prepare runs the steps; then comes the record, and after it the process.
func (a *agent) prepare(p *pod, assignment api.PodAssignment) {
	s, key, epoch, admitted := a.machine.sim, assignment.Key, p.Epoch, a.machine.offered
	a.later(upTo(a.rng, 300*time.Millisecond), func() {
		switch {
		case !s.healed && percent(a.rng, s.plan.StartFails):
			s.note("%s: the start of %s fails", a.machine.name, key)
			a.ended(p, a.endReport(key, api.PodStartFailed, api.ReasonNode, "a step failed"))
			a.cleanup(p)
		case !s.healed && percent(a.rng, s.plan.StartDelays):
			s.note("%s: the start of %s is delayed", a.machine.name, key)
			a.delay(p, 5*time.Second)
		default:
			a.machine.records[key] = record{assignment: assignment, epoch: epoch, bootID: a.machine.bootID}
			p.onDisk = true
			a.launch(p, assignment, admitted)
		}
	})
}

// launch has the shim start the process, and hears of it.
func (a *agent) launch(p *pod, assignment api.PodAssignment, admitted int) {
	a.later(upTo(a.rng, 20*time.Millisecond), func() {
		a.machine.launch(assignment, admitted)
		at := a.machine.clock.Now()
		a.later(upTo(a.rng, 20*time.Millisecond), func() {
			a.started(p, at)
			a.follow(p)
		})
	})
}
