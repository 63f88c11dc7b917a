package scheduler

import (
	"fmt"
	"slices"

	"github.com/coxswain-hpc/coxswain/api"
)

// filter is one condition between a shape and a node. The static ones hold whatever runs on the
// node and whatever state it is in: a node that fails one could never run the shape.
type filter struct {
	name   string
	static bool
	reason api.Reason
	passes func(c *cycle, s *shape, n *Node) bool
	// tell says to people why nodes fail it.
	tell func(s *shape) string
}

// filters is the visible list; a node is counted under the first one that it fails.
var filters = []filter{
	{
		"partition", true, api.ReasonNoNode, inPartition,
		func(s *shape) string { return "not in partition " + s.partition },
	},
	{
		"node_names", true, api.ReasonNoNode,
		func(_ *cycle, s *shape, n *Node) bool { return len(s.names) == 0 || slices.Contains(s.names, n.Name) },
		func(*shape) string { return "not among the nodes that the job names" },
	},
	{
		"excluded_nodes", true, api.ReasonNoNode,
		func(_ *cycle, s *shape, n *Node) bool { return !slices.Contains(s.excluded, n.Name) },
		func(*shape) string { return "excluded by the job" },
	},
	{
		"cpu_capacity", true, api.ReasonNoNode, enoughCPUs,
		func(s *shape) string { return tooFewCPUs(s, "not one CPU") + " in all" },
	},
	{
		"memory_capacity", true, api.ReasonNoNode,
		func(_ *cycle, s *shape, n *Node) bool { return s.need.MemoryBytes <= n.Capacity.MemoryBytes },
		func(s *shape) string {
			return fmt.Sprintf("less than %s memory in all", api.FormatBytes(s.need.MemoryBytes))
		},
	},
	{
		"avoided_nodes", false, api.ReasonBackoff,
		func(_ *cycle, s *shape, n *Node) bool { return !slices.Contains(s.avoided, n.Name) },
		func(*shape) string { return "refused it or failed to start it before" },
	},
	{
		"state", false, api.ReasonNodesDown,
		func(_ *cycle, _ *shape, n *Node) bool { return n.State == api.NodeReady },
		func(*shape) string { return "not heard from" },
	},
	{
		"schedulable", false, api.ReasonNodesDown,
		func(_ *cycle, _ *shape, n *Node) bool { return !n.Unschedulable },
		func(*shape) string { return "drained by an admin" },
	},
	{
		"exclusive", false, api.ReasonResources, exclusivity,
		func(s *shape) string {
			if s.exclusive {
				return "in use, and the job wants nodes of its own"
			}
			return "given whole to another job"
		},
	},
	{
		"cpu_free", false, api.ReasonResources, freeCPUs,
		func(s *shape) string { return tooFewCPUs(s, "no CPU") + " free" },
	},
	{
		"memory_free", false, api.ReasonResources, freeMemory,
		func(s *shape) string {
			if s.wholeMemory {
				return "memory in use, and the job wants all of the node's"
			}
			return fmt.Sprintf("less than %s memory free", api.FormatBytes(s.need.MemoryBytes))
		},
	},
}

// avoidedFilter is the position of the filter on nodes that refused an instance before.
//
//nolint:gochecknoglobals // computed once, only read
var avoidedFilter = slices.IndexFunc(filters, func(f filter) bool { return f.name == "avoided_nodes" })

// tooFewCPUs says it of one CPU in the given words.
func tooFewCPUs(s *shape, one string) string {
	if s.need.CPUMillis == api.MillisPerCPU {
		return one
	}
	return fmt.Sprintf("fewer than %s CPUs", api.FormatCPUs(s.need.CPUMillis))
}

func inPartition(c *cycle, s *shape, n *Node) bool {
	members, limited := c.members[s.partition]
	return !limited || members[n.Name]
}

func enoughCPUs(_ *cycle, s *shape, n *Node) bool {
	_, ok := s.wants(n)
	return ok
}

func exclusivity(_ *cycle, s *shape, n *Node) bool {
	if len(n.held) == 0 {
		return true
	}
	others, exclusive := n.otherJob(s.job)
	return !exclusive && (!s.exclusive || !others)
}

func freeCPUs(_ *cycle, s *shape, n *Node) bool {
	take, ok := s.takes(n)
	return ok && take.CPUMillis <= n.Capacity.CPUMillis-n.used.CPUMillis
}

func freeMemory(_ *cycle, s *shape, n *Node) bool {
	take, _ := s.wants(n)
	return take.MemoryBytes <= n.Capacity.MemoryBytes-n.used.MemoryBytes
}

// wants is what a pod of this shape takes of an empty node n; ok is false when n is too small in CPUs.
func (s *shape) wants(n *Node) (api.Resources, bool) {
	take, ok := s.need, true
	if s.cpus > 0 {
		var threads int64
		threads, ok = n.topology.threadsFor(s.cpus)
		take.CPUMillis = threads * api.MillisPerCPU
	}
	if s.wholeMemory {
		take.MemoryBytes = n.Capacity.MemoryBytes
	}
	return take, ok && take.CPUMillis <= n.Capacity.CPUMillis
}

// takes is what it takes of n as n is now; ok is false when n has too few whole free cores.
func (s *shape) takes(n *Node) (api.Resources, bool) {
	take, ok := s.wants(n)
	if s.cpus > 0 && ok {
		var threads int64
		threads, ok = n.takeCPUs(s.cpus)
		take.CPUMillis = threads * api.MillisPerCPU
	}
	return take, ok
}

// fitsNow is firstFailed's answer for a node that passes them all.
const fitsNow = -1

// firstFailed is the position in filters of the first one that n fails, or fitsNow.
func (c *cycle) firstFailed(s *shape, n *Node) int {
	for i := range filters {
		if !filters[i].passes(c, s, n) {
			return i
		}
	}
	return fitsNow
}

// takesPods says whether a node may get new pods at all.
func takesPods(n *Node) bool { return n.State == api.NodeReady && !n.Unschedulable }

// possible says whether n could ever run the shape, whatever its load and state.
func (c *cycle) possible(s *shape, n *Node) bool {
	for i := range filters {
		if filters[i].static && !filters[i].passes(c, s, n) {
			return false
		}
	}
	return true
}
