package sim

import (
	"math/rand/v2"
	"time"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/kubelet/outbox"
	"github.com/coxswain-hpc/coxswain/kubelet/reconcile"
)

// agent plays the kubelet's agent (kubelet/agent.go and around): what the real one does in goroutines
// happens here as later events, and its end voids them. It decides by the real reconcile.Diff and
// speaks through the real outbox.
type agent struct {
	machine *machine
	rng     *rand.Rand
	alive   bool

	link      *conn // welcomed
	dialling  *conn // waits for its welcome
	sent      int64 // renewals on this link
	acked     int64
	failures  int
	desired   reconcile.Desired
	rebooted  bool
	lostPods  map[api.PodKey]bool
	pods      map[api.PodKey]*pod
	templates map[string]api.KubeletTemplate
	fetching  map[string]bool
	outbox    outbox.Queue
	wake      time.Time
	dirty     bool // the inventory has changed
}

// pod is what the agent knows of one attempt.
type pod struct {
	reconcile.Pod
	onDisk  bool
	report  api.PodReport
	cleaned bool
	forget  bool
	missing int
	follows bool // it waits for the process to end
}

func newAgent(m *machine) *agent {
	return &agent{
		machine: m, rng: m.rng, alive: true, lostPods: map[api.PodKey]bool{}, pods: map[api.PodKey]*pod{},
		templates: map[string]api.KubeletTemplate{}, fetching: map[string]bool{},
	}
}

// begin restores what the kubelet before this one left, and works.
func (a *agent) begin() {
	m := a.machine
	m.sim.note("%s: kubelet starts with %d records and %d processes", m.name, len(m.records), len(m.procs))
	a.rebooted = m.seenBoot != 0 && m.seenBoot != m.bootID
	for _, key := range sortedKeys(m.records) {
		a.readopt(key, m.records[key])
	}
	for _, key := range sortedKeys(m.procs) {
		if _, known := m.records[key]; !known { // swept: its record was lost
			m.sim.note("%s: sweeps %s", m.name, key)
			delete(m.procs, key)
		}
	}
	m.seenBoot = m.bootID
	a.dial()
	a.settle()
	a.repeatStatus()
}

// statusEvery is how often the status is said again, changed or not.
const statusEvery = 10 * time.Minute

func (a *agent) repeatStatus() {
	a.later(statusEvery, func() {
		a.dirty = true
		a.repeatStatus()
	})
}

// readopt takes one pod back.
func (a *agent) readopt(key api.PodKey, r record) {
	m := a.machine
	p := &pod{onDisk: true, Pod: reconcile.Pod{
		Assignment: r.assignment, Epoch: r.epoch, Phase: reconcile.PhaseRunning,
		TimeLimitSeconds: r.assignment.TimeLimitSeconds,
	}}
	proc, runs := m.procs[key]
	end, ended := m.exits[key]
	switch {
	case r.bootID != m.bootID:
		a.pods[key] = p
		a.afterBoot(p, end, ended)
	case ended:
		a.pods[key] = p
		a.started(p, end.startedAt)
		a.follow(p)
	case runs:
		a.pods[key] = p
		a.started(p, proc.startedAt)
		a.follow(p)
	case !r.started: // the kubelet died between its record and the start
		delete(m.records, key)
	default: // a shim that was lost
		a.pods[key] = p
		a.follow(p)
	}
}

// afterBoot ends a pod that ran before the machine was booted.
func (a *agent) afterBoot(p *pod, end exit, ended bool) {
	key := p.Assignment.Key
	if ended {
		a.ended(p, reportOf(key, end, nil))
	} else {
		a.ended(p, a.endReport(key, api.PodNodeFailed, api.ReasonNodeLost, "the node was booted while the pod ran"))
	}
	a.cleanup(p)
}

// die is the end of the kubelet process: its processes run on.
func (a *agent) die() {
	a.machine.sim.note("%s: kubelet ends", a.machine.name)
	a.alive = false
	for _, c := range []*conn{a.link, a.dialling} {
		if c != nil {
			c.closeByAgent()
		}
	}
}

// later runs f in this life of the agent, and decides what follows.
func (a *agent) later(d time.Duration, f func()) {
	a.machine.sim.after(d, func() {
		if a.alive {
			f()
			a.settle()
		}
	})
}

// settle decides, acts, and sends what there is to say.
func (a *agent) settle() {
	in := reconcile.Input{
		Desired: a.desired, Lost: a.lostPods, Pods: make(map[api.PodKey]reconcile.Pod, len(a.pods)),
		Allocatable: a.machine.allocatable(), Topology: a.machine.status().Inventory.Topology,
		Now: a.machine.clock.Now(),
	}
	for key, p := range a.pods {
		in.Pods[key] = p.Pod
	}
	result := reconcile.Diff(in)
	for _, action := range result.Actions {
		a.act(action)
	}
	if !result.Wake.IsZero() && !result.Wake.Equal(a.wake) {
		a.wake = result.Wake
		a.later(result.Wake.Sub(a.machine.clock.Now()), func() { a.wake = time.Time{} })
	}
	a.flush()
}

// inventory says that the machine offers something else now.
func (a *agent) inventory() {
	a.dirty = true
	a.settle()
}

func (a *agent) flush() {
	if a.link == nil {
		return
	}
	if a.dirty {
		status := a.machine.status()
		a.link.toServer(api.KubeletMessage{Node: &status})
		a.dirty = false
	}
	if batch, ok := a.outbox.Next(); ok {
		a.link.toServer(api.KubeletMessage{Report: &batch})
	}
}

func (a *agent) say(p *pod, r api.PodReport) {
	p.report = r
	a.outbox.Add(r)
}

func (a *agent) started(p *pod, at time.Time) {
	p.Phase = reconcile.PhaseRunning
	p.TimeLimitSeconds = p.Assignment.TimeLimitSeconds
	a.say(p, api.PodReport{Key: p.Assignment.Key, State: api.PodRunning, At: at, StartedAt: &at})
}

func (a *agent) ended(p *pod, r api.PodReport) {
	p.Phase = reconcile.PhaseEnded
	a.say(p, r)
}

func (a *agent) endReport(key api.PodKey, state api.PodState, reason api.Reason, message string) api.PodReport {
	return api.PodReport{
		Key: key, State: state, At: a.machine.clock.Now(), Exit: &api.PodExit{Reason: reason, Message: message},
	}
}

// reportOf turns a shim's record into a report.
func reportOf(key api.PodKey, e exit, stop *api.PodStop) api.PodReport {
	reason := e.reason
	if stop != nil && stop.State == e.state {
		reason = stop.Reason
	}
	started := e.startedAt
	return api.PodReport{
		Key: key, State: e.state, At: e.endedAt, StartedAt: &started,
		Exit: &api.PodExit{
			Code: e.code, Reason: reason, Usage: api.Usage{ElapsedSeconds: e.endedAt.Sub(started).Seconds()},
		},
	}
}

// follow waits for the end of a pod's process; it may have ended already.
func (a *agent) follow(p *pod) {
	p.follows = true
	if _, runs := a.machine.procs[p.Assignment.Key]; !runs {
		a.exited(p.Assignment.Key)
	}
}

// exited is told by the machine that a process is gone.
func (a *agent) exited(key api.PodKey) {
	p := a.pods[key]
	if p == nil || !p.follows {
		return
	}
	p.follows = false
	a.later(upTo(a.rng, 50*time.Millisecond), func() {
		if end, has := a.machine.exits[key]; has {
			a.ended(p, reportOf(key, end, p.Stopping))
		} else {
			a.ended(p, a.endReport(key, api.PodShimLost, api.ReasonShimLost, "the shim was lost"))
		}
		a.cleanup(p)
	})
}

// cleanup undoes the steps.
func (a *agent) cleanup(p *pod) {
	a.later(upTo(a.rng, time.Second), func() {
		p.cleaned = true
		if p.forget {
			a.remove(p)
		}
	})
}

// remove drops the last that is left of a pod.
func (a *agent) remove(p *pod) {
	key := p.Assignment.Key
	if !p.onDisk {
		delete(a.pods, key)
		return
	}
	a.later(upTo(a.rng, 10*time.Millisecond), func() {
		delete(a.machine.records, key)
		delete(a.machine.exits, key)
		delete(a.pods, key)
	})
}
