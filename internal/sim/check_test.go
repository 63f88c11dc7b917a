package sim

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coxswain-hpc/coxswain/api"
)

// bench is a checker that has seen one job of four tasks, two at a time, and one node of two CPUs.
type bench struct {
	sim *Sim
	*checker
	job api.JobRecord
}

func newBench(t *testing.T) *bench {
	t.Helper()
	s := newSim(t.Context(), Options{Seed: 1})
	b := &bench{sim: s, checker: s.checker}
	have := resources(2)
	b.NodeChanged(api.Node{}, api.Node{Name: "n0", Generation: 1, Status: api.NodeStatus{
		State: api.NodeReady, Inventory: api.Inventory{Allocatable: have},
	}}, 0)
	b.job = api.JobRecord{Job: api.Job{
		ID: 1, Generation: 1, Spec: api.JobSpec{Array: "0-3%2", Roles: []api.Role{{Name: "main", Count: 1}}},
		Status: api.JobStatus{
			State: api.JobPending, Waiting: api.Ranges{{From: 0, To: 4}}, Counts: api.JobCounts{Waiting: 4},
			SubmittedAt: noon,
		},
	}}
	b.JobChanged(api.JobRecord{}, b.job, 0)
	b.afterEvent()
	return b
}

// pod is task i of the job on one CPU of the node.
func (b *bench) pod(i int64, attempt int32, cpus string) api.Pod {
	return api.Pod{
		Key:     api.PodKey{Instance: api.Instance{Owner: 1, Index: i}, Attempt: attempt},
		Ordinal: i, Node: "n0", State: api.PodBound, Term: 3, BoundAt: noon, CPUs: cpus, Class: api.ClassGuaranteed,
		Resources: api.Resources{CPUMillis: api.MillisPerCPU, MemoryBytes: 1},
	}
}

func (b *bench) bind(p api.Pod) api.Pod {
	b.PodChanged(api.Pod{}, p, 3)
	return p
}

func (b *bench) move(p api.Pod, change func(*api.Pod)) api.Pod {
	after := p
	change(&after)
	b.PodChanged(p, after, 3)
	return after
}

func (b *bench) status(term int64, change func(*api.JobStatus)) {
	after := b.job
	change(&after.Job.Status)
	b.JobChanged(b.job, after, term)
	b.job = after
	b.afterEvent()
}

func ended(state api.PodState) func(*api.Pod) {
	return func(p *api.Pod) { at := noon.Add(time.Minute); p.State, p.EndedAt = state, &at }
}

func released(p *api.Pod) { at := noon.Add(time.Hour); p.ReleasedAt = &at }

// Each is a history that no run may show, with the words that it is found by.
func TestCheckersFind(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		words string
		do    func(b *bench)
	}{
		{"two live attempts", func(b *bench) { b.bind(b.pod(0, 1, "0")); b.bind(b.pod(0, 2, "1")) }},
		{"follows attempt 0", func(b *bench) { b.bind(b.pod(0, 2, "0")) }},
		{"CPU 0 of n0 is given to", func(b *bench) { b.bind(b.pod(0, 1, "0")); b.bind(b.pod(1, 1, "0")) }},
		{"over its capacity", func(b *bench) {
			p := b.pod(0, 1, "0-2")
			p.Resources.CPUMillis = 3 * api.MillisPerCPU
			b.bind(p)
		}},
		{"own CPUs", func(b *bench) { b.bind(b.pod(0, 1, "0-1")) }},
		{
			"a commit of term 2 after one of term 3",
			func(b *bench) { b.bind(b.pod(0, 1, "0")); b.PodChanged(api.Pod{}, b.pod(1, 1, "1"), 2) },
		},
		{"appears as running", func(b *bench) { p := b.pod(0, 1, "0"); p.State = api.PodRunning; b.bind(p) }},
		{"steps from completed to failed", func(b *bench) {
			p := b.move(b.bind(b.pod(0, 1, "0")), ended(api.PodCompleted))
			b.move(p, ended(api.PodFailed))
		}},
		{"the result of pod", func(b *bench) {
			p := b.move(b.bind(b.pod(0, 1, "0")), ended(api.PodFailed))
			b.move(p, func(p *api.Pod) { p.Exit = &api.PodExit{Code: 3} })
		}},
		{
			"the placement of pod",
			func(b *bench) { b.move(b.bind(b.pod(0, 1, "0")), func(p *api.Pod) { p.Node = "n1" }) },
		},
		{"released while it is bound", func(b *bench) { b.move(b.bind(b.pod(0, 1, "0")), released) }},
		{"changes after its release", func(b *bench) {
			p := b.move(b.move(b.bind(b.pod(0, 1, "0")), ended(api.PodCompleted)), released)
			b.move(p, released)
		}},
		{"and released before", func(b *bench) {
			p := b.move(b.bind(b.pod(0, 1, "0")), ended(api.PodCompleted))
			b.move(p, func(p *api.Pod) { at := noon.Add(-time.Second); p.ReleasedAt = &at })
		}},
		{"held or cancelled job is bound", func(b *bench) {
			after := b.job
			after.CancelWanted = true
			b.JobChanged(b.job, after, 0)
			b.bind(b.pod(0, 1, "0"))
		}},
		{"waits and is live", func(b *bench) { b.bind(b.pod(0, 1, "0")); b.afterEvent() }},
		{"are not its size", func(b *bench) { b.status(3, func(st *api.JobStatus) { st.Counts.Completed++ }) }},
		{"is stored", func(b *bench) {
			b.status(3, func(st *api.JobStatus) { st.Counts.Waiting--; st.Counts.Completed++ })
		}},
		{"are counted live", func(b *bench) {
			b.status(3, func(st *api.JobStatus) {
				st.Waiting, st.Counts = st.Waiting.Remove(0), api.JobCounts{Waiting: 3, Live: 1}
			})
		}},
		{"its limit is 2", func(b *bench) {
			for i := range int64(3) {
				p := b.pod(i, 1, "")
				p.Resources, p.Class = api.Resources{}, api.ClassBestEffort
				b.bind(p)
			}
			b.status(3, func(st *api.JobStatus) {
				st.Waiting, st.State = api.Ranges{{From: 3, To: 4}}, api.JobRunning
				st.Counts = api.JobCounts{Waiting: 1, Live: 3}
			})
		}},
		{
			"wish changes the status",
			func(b *bench) { b.status(0, func(st *api.JobStatus) { st.Reason = api.ReasonHeld }) },
		},
		{"changes after its end", func(b *bench) {
			end := func(st *api.JobStatus) {
				st.State, st.Waiting, st.Counts = api.JobCancelled, nil, api.JobCounts{Cancelled: 4}
			}
			b.status(3, end)
			b.status(3, end)
		}},
		{"come back", func(b *bench) {
			b.status(3, func(st *api.JobStatus) {
				st.Waiting, st.Counts = st.Waiting.Remove(0), api.JobCounts{Waiting: 3, Completed: 1}
			})
			b.status(3, func(st *api.JobStatus) {
				st.Waiting, st.Counts = st.Waiting.Add(0), api.JobCounts{Waiting: 4}
			})
		}},
		{"runs [0-9_#]+ twice", func(b *bench) {
			m := b.sim.newNode()
			p := &process{machine: m, assignment: api.PodAssignment{Key: b.pod(0, 1, "").Key}}
			m.procs[p.assignment.Key] = p
			b.processStarts(m, p, resources(2))
		}},
		{"CPU 0 of n0 runs", func(b *bench) {
			m := b.sim.newNode()
			other := &process{machine: m, assignment: api.PodAssignment{Key: b.pod(0, 1, "").Key, CPUs: "0"}}
			m.procs[other.assignment.Key] = other
			b.processStarts(m, &process{assignment: api.PodAssignment{Key: b.pod(1, 1, "").Key, CPUs: "0-1"}},
				resources(2))
		}},
		{"runs more than it has", func(b *bench) {
			b.processStarts(b.sim.newNode(), &process{assignment: api.PodAssignment{Resources: resources(3)}},
				resources(2))
		}},
		{"still booked", func(b *bench) { b.bind(b.pod(0, 1, "0")); b.atRest() }},
		{"servers lead at rest", func(b *bench) { b.atRest() }},
	} {
		t.Run(c.words, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			require.NoError(t, b.sim.err)
			c.do(b)
			require.Error(t, b.sim.err)
			require.Regexp(t, c.words, b.sim.err.Error())
		})
	}
}

func (s *Sim) newNode() *machine { return newMachine(s, 0) }

// A good history disturbs no checker.
func TestCheckersAreContent(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	p := b.bind(b.pod(0, 1, "0"))
	b.status(3, func(st *api.JobStatus) {
		st.State, st.Waiting, st.Counts = api.JobRunning, st.Waiting.Remove(0), api.JobCounts{Waiting: 3, Live: 1}
	})
	p = b.move(p, func(p *api.Pod) { at := noon; p.State, p.StartedAt = api.PodRunning, &at })
	b.move(b.move(p, ended(api.PodCompleted)), released)
	b.status(3, func(st *api.JobStatus) {
		st.State, st.Counts = api.JobPending, api.JobCounts{Waiting: 3, Completed: 1}
	})
	require.NoError(t, b.sim.err)
	require.Empty(t, b.used["n0"])
}
