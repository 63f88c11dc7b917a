package sim

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/coxswain-hpc/coxswain/api"
)

// memoryPerCPU is what a simulated node has beside each CPU.
const memoryPerCPU = 2 << 30

// machine is a node's hardware with its disk and the processes on it, which outlive the kubelet.
type machine struct {
	sim   *Sim
	name  string
	rng   *rand.Rand
	clock simClock
	cpus  int
	// offered is how many of the CPUs are given to pods now.
	offered int

	up       bool
	bootID   int
	seenBoot int // on disk: the last boot that a kubelet saw
	records  map[api.PodKey]record
	exits    map[api.PodKey]exit
	procs    map[api.PodKey]*process
	agent    *agent
}

// record is a pod's checkpoint on disk.
type record struct {
	assignment api.PodAssignment
	epoch      string
	bootID     int
	started    bool // the shim has begun
}

func newMachine(s *Sim, id int) *machine {
	name := fmt.Sprintf("n%d", id)
	return &machine{
		sim: s, name: name, rng: s.source("machine " + name), clock: simClock{engine: &s.engine},
		cpus: s.plan.NodeCPUs, offered: s.plan.NodeCPUs,
		records: map[api.PodKey]record{}, exits: map[api.PodKey]exit{}, procs: map[api.PodKey]*process{},
	}
}

// boot starts the machine and, a moment later, its kubelet.
func (m *machine) boot() {
	m.bootID++
	m.up = true
	m.sim.note("%s is booted (%d)", m.name, m.bootID)
	m.startKubelet()
}

// halt stops the machine at once. What was not flushed to the disk may be lost.
func (m *machine) halt() {
	m.sim.note("%s halts with %d processes", m.name, len(m.procs))
	m.sim.count("crash")
	m.stopKubelet()
	m.up = false
	m.procs = map[api.PodKey]*process{}
	for _, key := range sortedKeys(m.records) {
		if percent(m.rng, m.sim.plan.LostCheckpoint) {
			m.sim.note("%s loses the record of %s", m.name, key)
			delete(m.records, key)
			delete(m.exits, key)
		}
	}
}

func (m *machine) stopKubelet() {
	if m.agent != nil {
		m.agent.die()
		m.agent = nil
	}
}

// startKubelet starts a new one after a moment.
func (m *machine) startKubelet() {
	boot := m.bootID
	m.sim.after(time.Second+upTo(m.rng, time.Second), func() {
		if m.up && m.bootID == boot && m.agent == nil {
			m.agent = newAgent(m)
			m.agent.begin()
		}
	})
}

func (m *machine) allocatable() api.Resources { return resources(m.offered) }

// whole is what the machine has when all is well.
func (m *machine) whole() api.Resources { return resources(m.cpus) }

func resources(cpus int) api.Resources {
	return api.Resources{CPUMillis: int64(cpus) * api.MillisPerCPU, MemoryBytes: int64(cpus) * memoryPerCPU}
}

// offer changes the inventory, as an admin does who reserves CPUs; the kubelet tells of it.
func (m *machine) offer(cpus int) {
	m.sim.note("%s offers %d of %d CPUs", m.name, cpus, m.cpus)
	m.offered = cpus
	if m.agent != nil {
		m.agent.inventory()
	}
}

// status is what the kubelet says of the machine.
func (m *machine) status() api.NodeStatus {
	topology := make([]api.CPU, 0, m.offered)
	for i := range m.offered {
		topology = append(topology, api.CPU{ID: i, Core: i})
	}
	return api.NodeStatus{
		BootID: fmt.Sprintf("%s-boot-%d", m.name, m.bootID), KubeletVersion: "sim",
		Inventory: api.Inventory{
			Hostname: m.name, Topology: topology, Capacity: m.whole(), Allocatable: m.allocatable(), CgroupMode: "v2",
		},
	}
}

// process is a pod that runs, with its shim.
type process struct {
	machine    *machine
	assignment api.PodAssignment
	startedAt  time.Time
	startedRun time.Duration
	does       behaviour
	change     int // counts what changed its end, so that an older end is void
	stop       *api.PodStop
	limit      time.Duration
}

// behaviour is what a program does if nobody interferes.
type behaviour struct {
	runs     time.Duration
	code     int
	outOfMem bool
	deafTERM bool // it ends at KILL only
}

// exit is the record that a shim leaves on disk.
type exit struct {
	state     api.PodState
	reason    api.Reason
	code      int
	startedAt time.Time
	endedAt   time.Time
}

// launch starts the process of a pod: the moment at which nothing may have two owners. Admitted is what
// the machine offered when the kubelet took the pod on: it may have become less since.
func (m *machine) launch(a api.PodAssignment, admitted int) {
	m.sim.count("process")
	p := &process{
		machine: m, assignment: a, startedAt: m.clock.Now(), startedRun: m.sim.now,
		does: m.sim.users.behaviour(a.Key, a.Ordinal), limit: time.Duration(a.TimeLimitSeconds) * time.Second,
	}
	m.sim.note("%s runs %s on CPUs %q", m.name, a.Key, a.CPUs)
	m.sim.checker.processStarts(m, p, resources(max(m.offered, admitted)))
	m.procs[a.Key] = p
	if r, has := m.records[a.Key]; has {
		r.started = true
		m.records[a.Key] = r
	}
	p.plan()
}

// plan plans the end that comes first: its own, that of the time limit, or that of the stop.
func (p *process) plan() {
	p.change++
	change, s := p.change, p.machine.sim
	ran := s.now - p.startedRun
	grace := p.grace(30 * time.Second)
	left, end := p.does.runs-ran, p.ownEnd()
	if byLimit := p.limit + grace - ran; p.limit < p.does.runs && byLimit < left {
		left, end = byLimit, exit{state: api.PodTimeout, reason: api.ReasonTimeLimit}
	}
	if p.stop != nil {
		if byStop := p.grace(time.Duration(p.stop.GraceSeconds) * time.Second); byStop < left {
			left, end = byStop, exit{state: p.stop.State, reason: p.stop.Reason}
		}
	}
	s.after(left, func() {
		if p.change == change && p.machine.procs[p.assignment.Key] == p {
			p.end(end)
		}
	})
}

// grace is how long the process takes to end after TERM.
func (p *process) grace(most time.Duration) time.Duration {
	if p.does.deafTERM {
		return most
	}
	return min(most, 200*time.Millisecond)
}

func (p *process) ownEnd() exit {
	switch {
	case p.does.outOfMem:
		return exit{state: api.PodOutOfMemory, reason: api.ReasonOutOfMemory, code: 137}
	case p.does.code != 0:
		return exit{state: api.PodFailed, reason: api.ReasonExitCode, code: p.does.code}
	}
	return exit{state: api.PodCompleted}
}

// end writes the exit record and tells the kubelet, if one is there.
func (p *process) end(e exit) {
	m, key := p.machine, p.assignment.Key
	e.startedAt, e.endedAt = p.startedAt, m.clock.Now()
	m.sim.note("%s: %s ends as %s", m.name, key, e.state)
	delete(m.procs, key)
	if _, has := m.records[key]; has { // else the pod's directory is lost, and the record goes nowhere
		m.exits[key] = e
	}
	if m.agent != nil {
		m.agent.exited(key)
	}
}

// loseShim kills a shim without a record, and with it all of the pod.
func (m *machine) loseShim(key api.PodKey) {
	m.sim.note("%s: the shim of %s is lost", m.name, key)
	delete(m.procs, key)
	if m.agent != nil {
		m.agent.exited(key)
	}
}

func sortedKeys[V any](m map[api.PodKey]V) []api.PodKey {
	return slices.SortedFunc(maps.Keys(m), comparePodKeys)
}
