package scheduler

import (
	"slices"
	"strings"
	"time"

	"github.com/coxswain-hpc/coxswain/api"
)

// View is the cluster as one cycle sees it. The order of the slices does not matter.
type View struct {
	Nodes      []*Node
	Jobs       []*Job // every job with waiting instances
	Partitions map[string]api.Partition
	QOS        map[string]api.QOS
}

// Node is a machine with what is free on it. Make it with NewNode; Add and Remove keep the books.
type Node struct {
	Name          string
	Generation    int64
	State         api.NodeState
	Unschedulable bool
	// Capacity is what is ours to give.
	Capacity api.Resources

	topology *topology
	freeCPUs bitset // positions in the topology that no guaranteed pod owns
	freeLeft int64  // number of bits in freeCPUs
	used     api.Resources
	held     []Held
}

// Held is what one pod takes of a node.
type Held struct {
	Key       api.PodKey
	Resources api.Resources
	// CPUs are the exact CPU ids in list form, empty for the shared pool.
	CPUs string
	// Exclusive: its job wants no pod of another job beside it.
	Exclusive bool
	// EndsAt is the latest end by its time limit.
	EndsAt time.Time

	positions []int // of CPUs in the node's topology
}

// NewNode makes an empty node from its record.
func NewNode(n api.Node) *Node {
	topo := newTopology(n.Status.Inventory.Topology)
	return &Node{
		Name:          n.Name,
		Generation:    n.Generation,
		State:         n.Status.State,
		Unschedulable: n.Spec.Unschedulable,
		Capacity:      n.Status.Inventory.Allocatable,
		topology:      topo,
		freeCPUs:      fullBitset(len(topo.cpus)),
		freeLeft:      int64(len(topo.cpus)),
	}
}

// HeldOf says what a live pod takes; exclusive is its job's wish.
func HeldOf(p api.Pod, exclusive bool) Held {
	from := p.BoundAt
	if p.StartedAt != nil {
		from = *p.StartedAt
	}
	return Held{
		Key: p.Key, Resources: p.Resources, CPUs: p.CPUs, Exclusive: exclusive,
		EndsAt: from.Add(time.Duration(p.TimeLimitSeconds) * time.Second),
	}
}

// Add books a pod onto the node.
func (n *Node) Add(h Held) {
	if h.positions == nil && h.CPUs != "" {
		h.positions = n.topology.positions(h.CPUs)
	}
	for _, p := range h.positions {
		if n.freeCPUs.has(p) {
			n.freeCPUs.clear(p)
			n.freeLeft--
		}
	}
	n.used = n.used.Add(h.Resources)
	n.held = append(n.held, h)
}

// Remove takes a pod off the node's books; an unknown one is ignored.
func (n *Node) Remove(key api.PodKey) {
	for i := range n.held {
		if n.held[i].Key == key {
			n.removeAt(i)
			return
		}
	}
}

func (n *Node) removeAt(i int) {
	h := n.held[i]
	last := len(n.held) - 1
	n.held[i] = n.held[last]
	n.held = n.held[:last]
	n.used = n.used.Sub(h.Resources)
	for _, p := range h.positions {
		if !n.freeCPUs.has(p) {
			n.freeCPUs.set(p)
			n.freeLeft++
		}
	}
}

// Held lists what is booked on the node, in the order of pod keys.
func (n *Node) Held() []Held {
	out := slices.Clone(n.held)
	slices.SortFunc(out, func(a, b Held) int { return compareKeys(a.Key, b.Key) })
	return out
}

// Free is what is left on the node. CPUs of guaranteed pods have left the shared pool, so shared and
// guaranteed pods together never exceed the threads that exist.
func (n *Node) Free() api.Resources { return n.Capacity.Sub(n.used) }

// Used is what is booked on the node.
func (n *Node) Used() api.Resources { return n.used }

// otherJob says whether a pod of another job is on the node, and whether one of them is exclusive.
func (n *Node) otherJob(id api.JobID) (found, exclusive bool) {
	for i := range n.held {
		if n.held[i].Key.Owner != id {
			found = true
			exclusive = exclusive || n.held[i].Exclusive
		}
	}
	return found, exclusive
}

func compareKeys(a, b api.PodKey) int {
	switch {
	case a.Owner != b.Owner:
		return compareInts(int64(a.Owner), int64(b.Owner))
	case a.Index != b.Index:
		return compareInts(a.Index, b.Index)
	case a.Rank != b.Rank:
		return compareInts(int64(a.Rank), int64(b.Rank))
	}
	return compareInts(int64(a.Attempt), int64(b.Attempt))
}

func compareInts(a, b int64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// sortedNodes returns the nodes in the order that breaks ties: by name.
func sortedNodes(nodes []*Node) []*Node {
	byName := func(a, b *Node) int { return strings.Compare(a.Name, b.Name) }
	if slices.IsSortedFunc(nodes, byName) {
		return nodes
	}
	out := slices.Clone(nodes)
	slices.SortFunc(out, byName)
	return out
}
