package scheduler

import (
	"slices"

	"github.com/coxswain-hpc/coxswain/api"
)

// topology is the fixed part of a node's CPUs: a position is an index into cpus, which is sorted by id.
type topology struct {
	cpus  []api.CPU
	cores []core // in order of their lowest CPU id
	numas []int  // ids of the NUMA nodes, rising
	// threads is the number of threads of every core, 0 if the cores differ.
	threads int
}

// core is a physical core: the positions of its threads.
type core struct {
	positions []int
	numa      int
}

func newTopology(list []api.CPU) *topology {
	t := &topology{cpus: slices.Clone(list)}
	slices.SortFunc(t.cpus, func(a, b api.CPU) int { return a.ID - b.ID })
	byCore := map[int]int{}
	for pos, c := range t.cpus {
		i, known := byCore[c.Core]
		if !known {
			i = len(t.cores)
			byCore[c.Core] = i
			t.cores = append(t.cores, core{numa: c.NUMA})
		}
		t.cores[i].positions = append(t.cores[i].positions, pos)
		if !slices.Contains(t.numas, c.NUMA) {
			t.numas = append(t.numas, c.NUMA)
		}
	}
	slices.Sort(t.numas)
	t.threads = uniformThreads(t.cores)
	return t
}

func uniformThreads(cores []core) int {
	threads := 0
	for _, c := range cores {
		if threads != 0 && threads != len(c.positions) {
			return 0
		}
		threads = len(c.positions)
	}
	return threads
}

// positions translates a list of CPU ids; ids that the node does not have any more are left out.
func (t *topology) positions(list string) []int {
	ids, err := api.ParseRanges(list)
	if err != nil {
		return nil
	}
	var out []int
	for pos, c := range t.cpus {
		if ids.Has(int64(c.ID)) {
			out = append(out, pos)
		}
	}
	return out
}

// list gives the ids at the positions in list form.
func (t *topology) list(positions []int) string {
	ranges := make([]api.Range, len(positions))
	for i, p := range positions {
		id := int64(t.cpus[p].ID)
		ranges[i] = api.Range{From: id, To: id + 1}
	}
	return api.RangesOf(ranges...).String()
}

// threadsFor is the number of CPUs that a request for n takes on an empty node of this kind: whole
// cores. ok is false when the node has fewer.
func (t *topology) threadsFor(n int64) (int64, bool) {
	if len(t.cpus) == 0 {
		return n, true // a node that reports no topology gives amounts without ids
	}
	if t.threads > 0 {
		size := int64(t.threads)
		take := (n + size - 1) / size * size
		return take, take <= int64(len(t.cpus))
	}
	picked, ok := t.pick(fullBitset(len(t.cpus)), n)
	return int64(len(picked)), ok
}

// takeCPUs is threadsFor on the node as it is now.
func (n *Node) takeCPUs(count int64) (int64, bool) {
	if t := n.topology; len(t.cpus) == 0 || t.threads > 0 {
		take, ok := t.threadsFor(count)
		return take, ok && (len(t.cpus) == 0 || take <= n.freeLeft)
	}
	picked, ok := n.topology.pick(n.freeCPUs, count)
	return int64(len(picked)), ok
}

// pick chooses whole free cores with at least n threads: from the NUMA node that they leave least of,
// or else from as few NUMA nodes as possible; the lowest ids first. It returns rising positions.
func (t *topology) pick(free bitset, n int64) ([]int, bool) {
	room := t.freeByNUMA(free)
	var out []int
	for _, numa := range t.numaOrder(room, n) {
		for _, c := range t.cores {
			if int64(len(out)) >= n {
				break
			}
			if c.numa == numa && c.free(free) {
				out = append(out, c.positions...)
			}
		}
	}
	slices.Sort(out)
	return out, int64(len(out)) >= n
}

func (t *topology) freeByNUMA(free bitset) map[int]int64 {
	room := make(map[int]int64, len(t.numas))
	for _, c := range t.cores {
		if c.free(free) {
			room[c.numa] += int64(len(c.positions))
		}
	}
	return room
}

// numaOrder puts the tightest NUMA node that can hold n alone first, then the roomiest ones.
func (t *topology) numaOrder(room map[int]int64, n int64) []int {
	order := slices.Clone(t.numas)
	slices.SortStableFunc(order, func(a, b int) int {
		aFits, bFits := room[a] >= n, room[b] >= n
		switch {
		case aFits != bFits:
			if aFits {
				return -1
			}
			return 1
		case aFits:
			return compareInts(room[a], room[b])
		}
		return compareInts(room[b], room[a])
	})
	return order
}

func (c core) free(free bitset) bool {
	for _, p := range c.positions {
		if !free.has(p) {
			return false
		}
	}
	return true
}

// bitset is a set of small integers.
type bitset []uint64

const wordBits = 64

func fullBitset(n int) bitset {
	b := make(bitset, (n+wordBits-1)/wordBits)
	for i := range n {
		b.set(i)
	}
	return b
}

func (b bitset) has(i int) bool { return b[i/wordBits]&(1<<(i%wordBits)) != 0 }
func (b bitset) set(i int)      { b[i/wordBits] |= 1 << (i % wordBits) }
func (b bitset) clear(i int)    { b[i/wordBits] &^= 1 << (i % wordBits) }

// FreeCPUs lists the ids of the CPUs that no guaranteed pod owns.
func (n *Node) FreeCPUs() string {
	var positions []int
	for i := range n.topology.cpus {
		if n.freeCPUs.has(i) {
			positions = append(positions, i)
		}
	}
	return n.topology.list(positions)
}
