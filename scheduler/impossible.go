package scheduler

import (
	"fmt"

	"github.com/coxswain-hpc/coxswain/api"
)

// Impossible says whether no node of today could ever run a job, whatever their load and state. The
// sentence names the nearest node and its numbers.
func Impossible(view View, spec api.JobSpec) (sentence string, impossible bool) {
	c := newCycle(&View{Nodes: view.Nodes, Partitions: view.Partitions}, Input{})
	j := NewJob(api.JobRecord{Job: api.Job{Spec: spec}}, 0, DependencyStatus{})
	if len(c.nodes) == 0 {
		return "the cluster has no node yet; start a kubelet, or submit with --allow-future-nodes", true
	}
	for i := range j.members {
		if !c.somewhere(&j.members[i].shape) {
			return c.nearest(&j.members[i].shape), true
		}
	}
	return c.together(j)
}

func (c *cycle) somewhere(s *shape) bool {
	for _, n := range c.nodes {
		if c.possible(s, n) {
			return true
		}
	}
	return false
}

// placeFilters is the number of leading filters that are about which nodes the job may use, not how
// large they are.
const placeFilters = 3

// nearest says which allowed node comes closest to the shape, and what it has.
func (c *cycle) nearest(s *shape) string {
	var best *Node
	for _, n := range c.nodes {
		allowed := true
		for i := range filters[:placeFilters] {
			allowed = allowed && filters[i].passes(c, s, n)
		}
		if allowed && (best == nil || closeness(s, n) > closeness(s, best)) {
			best = n
		}
	}
	if best == nil {
		return fmt.Sprintf("none of the %d nodes is in partition %s and among the nodes that the job allows",
			len(c.nodes), s.partition)
	}
	return fmt.Sprintf("no node of today could ever run it: "+
		"it asks for %s CPUs and %s memory on one node; the nearest, %s, has %s CPUs and %s",
		api.FormatCPUs(s.need.CPUMillis), api.FormatBytes(s.need.MemoryBytes), best.Name,
		api.FormatCPUs(best.Capacity.CPUMillis), api.FormatBytes(best.Capacity.MemoryBytes))
}

func closeness(s *shape, n *Node) int64 {
	return fullness(n.Capacity.CPUMillis, s.need.CPUMillis) +
		fullness(n.Capacity.MemoryBytes, s.need.MemoryBytes)
}

// together checks that the members of one instance fit on all nodes at once when these are empty.
func (c *cycle) together(j *Job) (string, bool) {
	left := make([]api.Resources, len(c.nodes))
	for i, n := range c.nodes {
		left[i] = n.Capacity
	}
	for m := range j.members {
		need := int64(j.members[m].count)
		for i, n := range c.nodes {
			need -= c.pack(&j.members[m].shape, n, &left[i], need)
		}
		if need > 0 {
			r := j.Spec.Roles[j.members[m].role]
			return fmt.Sprintf("all nodes together could run only %d of the %d pods of role %q at once",
				int64(r.Count)-need, r.Count, r.Name), true
		}
	}
	return "", false
}

// pack puts as many pods of a shape as fit, at most most, onto what is left of an empty node.
func (c *cycle) pack(s *shape, n *Node, left *api.Resources, most int64) int64 {
	if !c.possible(s, n) {
		return 0
	}
	take, _ := s.wants(n)
	count := most
	if take.CPUMillis > 0 {
		count = min(count, left.CPUMillis/take.CPUMillis)
	}
	if take.MemoryBytes > 0 {
		count = min(count, left.MemoryBytes/take.MemoryBytes)
	}
	left.CPUMillis -= count * take.CPUMillis
	left.MemoryBytes -= count * take.MemoryBytes
	return count
}
