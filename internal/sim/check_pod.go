package sim

import (
	"maps"
	"reflect"
	"slices"
	"time"

	"github.com/coxswain-hpc/coxswain/api"
)

// silenceMin is how long the leader may at least not have heard of a node that it gives up on: what it
// waits for by default, less the time between two of its looks and a slow way.
const silenceMin = 30 * time.Second

// LeaseRenewed implements memstore.Observer.
func (c *checker) LeaseRenewed(l api.Lease) { c.renewed[l.Node] = c.sim.now }

// NodeChanged implements memstore.Observer.
func (c *checker) NodeChanged(before, after api.Node, term int64) {
	c.leads(term)
	switch {
	case before.Name != "" && term == 0 && before.Status.State != after.Status.State:
		c.sim.fail("somebody else than the leader makes node %s %s", after.Name, after.Status.State)
	case before.Generation > after.Generation:
		c.sim.fail("node %s: its generation falls from %d to %d", after.Name, before.Generation, after.Generation)
	}
	if before.Status.State != after.Status.State {
		c.sim.note("node %s: %s→%s by term %d", after.Name, before.Status.State, after.Status.State, term)
		if silent := c.sim.now - c.renewed[after.Name]; after.Status.State != api.NodeReady && silent < silenceMin {
			c.sim.fail("node %s is %s %s after it was heard", after.Name, after.Status.State, silent)
		}
		c.sim.count("node " + string(after.Status.State))
	}
	c.nodes[after.Name] = after
}

// PodChanged implements memstore.Observer.
func (c *checker) PodChanged(before, after api.Pod, term int64) {
	c.leads(term)
	if before.State == "" {
		c.sim.note("pod %s: bound to %s by term %d", after.Key, after.Node, term)
		c.bound(after, term)
	} else {
		c.sim.note("pod %s: %s→%s stop=%t released=%t", after.Key, before.State, after.State, after.Stop != nil,
			!after.Live())
		c.stepped(before, after)
	}
	c.pods[after.Key] = after
	c.touched[after.Key.Owner] = true
}

// bound: a pod appears once, bound, and only where nothing forbids it.
func (c *checker) bound(p api.Pod, term int64) {
	c.sim.count("bind")
	if p.State != api.PodBound || p.Term != term || term == 0 {
		c.sim.fail("pod %s appears as %s by term %d", p.Key, p.State, term)
	}
	if other, twice := c.live[p.Key.Instance]; twice {
		c.sim.fail("the store believes in two live attempts: %s and %s", other, p.Key)
	}
	if last := c.lastAttempt(p.Key.Instance); p.Key.Attempt != last+1 {
		c.sim.fail("pod %s follows attempt %d", p.Key, last)
	}
	c.live[p.Key.Instance] = p.Key
	if c.liveOf[p.Key.Owner] == nil {
		c.liveOf[p.Key.Owner] = map[api.PodKey]bool{}
	}
	c.liveOf[p.Key.Owner][p.Key] = true
	c.take(p)
	c.mayStart(p)
}

func (c *checker) lastAttempt(i api.Instance) (last int32) {
	for {
		if _, has := c.pods[api.PodKey{Instance: i, Attempt: last + 1}]; !has {
			return last
		}
		last++
	}
}

// take books what the pod holds on its node.
func (c *checker) take(p api.Pod) {
	c.used[p.Node] = c.used[p.Node].Add(p.Resources)
	n := c.nodes[p.Node]
	if overbooks(p.Resources, c.used[p.Node], n.Status.Inventory.Allocatable) {
		c.sim.fail("node %s is over its capacity with %s: %+v", p.Node, p.Key, c.used[p.Node])
	}
	if n.Status.State != api.NodeReady || n.Spec.Unschedulable {
		c.sim.fail("pod %s is bound to %s, which is %s and unschedulable=%t", p.Key, p.Node, n.Status.State,
			n.Spec.Unschedulable)
	}
	if c.owners[p.Node] == nil {
		c.owners[p.Node] = map[int64]api.PodKey{}
	}
	for _, id := range cpuIDs(p.CPUs) {
		if owner, taken := c.owners[p.Node][id]; taken {
			c.sim.fail("CPU %d of %s is given to %s and to %s", id, p.Node, owner, p.Key)
		}
		c.owners[p.Node][id] = p.Key
	}
	if n := int64(len(cpuIDs(p.CPUs))); p.Class == api.ClassGuaranteed && n*api.MillisPerCPU != p.Resources.CPUMillis {
		c.sim.fail("pod %s has %d own CPUs and %d millis", p.Key, n, p.Resources.CPUMillis)
	}
}

// overbooks says whether a pod takes something of which there is not enough. One that takes nothing
// may come to a node whose inventory has shrunk below what runs there.
func overbooks(takes, used, have api.Resources) bool {
	return (takes.CPUMillis > 0 && used.CPUMillis > have.CPUMillis) ||
		(takes.MemoryBytes > 0 && used.MemoryBytes > have.MemoryBytes)
}

func (c *checker) giveBack(p api.Pod) {
	c.used[p.Node] = c.used[p.Node].Sub(p.Resources)
	for _, id := range cpuIDs(p.CPUs) {
		delete(c.owners[p.Node], id)
	}
	delete(c.live, p.Key.Instance)
	delete(c.liveOf[p.Key.Owner], p.Key)
}

// stepped: only legal steps, ended results stay, and what is released stays as it is.
func (c *checker) stepped(before, after api.Pod) {
	switch {
	case before.ReleasedAt != nil:
		c.sim.fail("pod %s changes after its release", after.Key)
	case before.State != after.State && !before.State.CanStep(after.State):
		c.sim.fail("pod %s steps from %s to %s", after.Key, before.State, after.State)
	case before.State.Ended() && !sameResult(before, after):
		c.sim.fail("the result of pod %s changes from %+v to %+v", after.Key, before, after)
	case before.Node != after.Node || before.CPUs != after.CPUs || before.Resources != after.Resources ||
		!before.BoundAt.Equal(after.BoundAt) || before.TaskID != after.TaskID || before.Ordinal != after.Ordinal:
		c.sim.fail("the placement of pod %s changes from %+v to %+v", after.Key, before, after)
	}
	if before.State != after.State {
		c.sim.count("pod " + string(after.State))
	}
	if after.ReleasedAt == nil {
		return
	}
	if !after.State.Ended() {
		c.sim.fail("pod %s is released while it is %s", after.Key, after.State)
	}
	if after.ReleasedAt.Before(after.BoundAt) {
		c.sim.fail("pod %s was bound at %s and released before, at %s", after.Key, after.BoundAt, *after.ReleasedAt)
	}
	c.giveBack(before)
}

func sameResult(a, b api.Pod) bool {
	return a.State == b.State && a.EndedAt.Equal(*b.EndedAt) && reflect.DeepEqual(a.Exit, b.Exit) &&
		reflect.DeepEqual(a.StartedAt, b.StartedAt)
}

func cpuIDs(list string) (out []int64) {
	ranges, err := api.ParseRanges(list)
	if err != nil {
		return nil
	}
	ranges.Each(func(id int64) bool { out = append(out, id); return true })
	return out
}

// processStarts checks the node as it is: no CPU and no capacity has two owners among what runs.
func (c *checker) processStarts(m *machine, p *process, have api.Resources) {
	if _, twice := m.procs[p.assignment.Key]; twice {
		c.sim.fail("%s runs %s twice at a time", m.name, p.assignment.Key)
	}
	owner, used := map[int64]api.PodKey{}, p.assignment.Resources
	for _, id := range cpuIDs(p.assignment.CPUs) {
		owner[id] = p.assignment.Key
	}
	for _, key := range slices.SortedFunc(maps.Keys(m.procs), comparePodKeys) {
		other := m.procs[key].assignment
		used = used.Add(other.Resources)
		for _, id := range cpuIDs(other.CPUs) {
			if first, taken := owner[id]; taken {
				c.sim.fail("CPU %d of %s runs %s and %s", id, m.name, first, key)
			}
		}
	}
	if overbooks(p.assignment.Resources, used, have) {
		c.sim.fail("%s runs more than it has: %+v", m.name, used)
	}
}
