package scheduler

// candidate is a node that fits a shape, as it was at a version of the node.
type candidate struct {
	score   int64
	node    int32
	version uint32
}

// ahead says whether a is preferred to b: higher score, then lower name (nodes are in name order).
func (a candidate) ahead(b candidate) bool {
	if a.score != b.score {
		return a.score > b.score
	}
	return a.node < b.node
}

// pool keeps the fitting nodes of one shape through a cycle: every node is evaluated once, and again
// only after it has changed. That is what makes equal instances cheap.
type pool struct {
	shape *shape
	heap  []candidate
	seen  int // how much of cycle.changes is worked in
	// possible and ready: some node could ever run it; some such node takes pods now.
	possible, ready bool
	// nearest is the sentence for a shape that no node could ever run, once somebody asked.
	nearest string
}

// poolOf returns the pool of a shape, up to date with all placements so far.
func (c *cycle) poolOf(s *shape) *pool {
	p, known := c.pools[s.key]
	if !known {
		p = c.newPool(s)
		c.pools[s.key] = p
		return p
	}
	for ; p.seen < len(c.changes); p.seen++ {
		c.evaluate(p, c.changes[p.seen])
	}
	return p
}

func (c *cycle) newPool(s *shape) *pool {
	p := &pool{shape: s, seen: len(c.changes)}
	for i := range c.nodes {
		c.evaluate(p, int32(i))
	}
	return p
}

// evaluate asks the filters about one node and, if it fits, puts it into the heap with its score.
func (c *cycle) evaluate(p *pool, node int32) {
	c.plan.Evaluations++
	n := c.nodes[node]
	failed := c.firstFailed(p.shape, n)
	if failed == fitsNow || !filters[failed].static {
		p.possible = true
		p.ready = p.ready || takesPods(n)
	}
	if failed == fitsNow {
		p.push(candidate{score: scoreOf(p.shape, n), node: node, version: c.versions[node]})
	}
}

// best takes the preferred candidate that is still true out of the heap.
func (c *cycle) best(p *pool) (candidate, bool) {
	for len(p.heap) > 0 {
		top := p.pop()
		if top.version == c.versions[top.node] {
			return top, true
		}
	}
	return candidate{}, false
}

func (p *pool) push(x candidate) {
	p.heap = append(p.heap, x)
	for i := len(p.heap) - 1; i > 0; {
		parent := (i - 1) / 2
		if !p.heap[i].ahead(p.heap[parent]) {
			return
		}
		p.heap[i], p.heap[parent] = p.heap[parent], p.heap[i]
		i = parent
	}
}

func (p *pool) pop() candidate {
	top := p.heap[0]
	last := len(p.heap) - 1
	p.heap[0] = p.heap[last]
	p.heap = p.heap[:last]
	for i := 0; ; {
		best := i
		for _, child := range [2]int{2*i + 1, 2*i + 2} {
			if child < last && p.heap[child].ahead(p.heap[best]) {
				best = child
			}
		}
		if best == i {
			return top
		}
		p.heap[i], p.heap[best] = p.heap[best], p.heap[i]
		i = best
	}
}
