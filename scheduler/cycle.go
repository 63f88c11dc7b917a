package scheduler

import (
	"time"

	"github.com/coxswain-hpc/coxswain/api"
)

// Input is everything a cycle needs beside the view.
type Input struct {
	Now time.Time
	// Seed is for policies that draw lots; the first policy draws none.
	Seed   uint64
	Policy Policy
	// Budget bounds the node evaluations of the cycle; the first shape of a job may pass it by one
	// round over the nodes. 0 means DefaultBudget.
	Budget int64
	// BindsMax bounds the plan. 0 means DefaultBindsMax.
	BindsMax int
	// Cursor resumes the queue where the last plan's Next says; Holds are then that plan's holds.
	Cursor *api.CycleCursor
	Holds  []api.CapacityHold
}

// Policy holds the knobs of the first policy.
type Policy struct {
	// Reservations is the number of blocked jobs of each partition, in queue order, whose start is
	// protected from jobs behind them. Negative means none; 0 means DefaultReservations.
	Reservations int
}

// The defaults of Input and Policy.
const (
	DefaultBudget       = 500_000 // about a quarter of a second
	DefaultBindsMax     = 10_000
	DefaultReservations = 4
)

func (in Input) withDefaults() Input {
	if in.Budget == 0 {
		in.Budget = DefaultBudget
	}
	if in.BindsMax == 0 {
		in.BindsMax = DefaultBindsMax
	}
	if in.Policy.Reservations == 0 {
		in.Policy.Reservations = DefaultReservations
	}
	return in
}

// cycle is the working state of one Cycle.
type cycle struct {
	view  *View
	in    Input
	nodes []*Node
	queue []*Job
	// members holds the node sets of the partitions that do not have all nodes.
	members map[string]map[string]bool

	pools    map[string]*pool
	versions []uint32 // by node: rises with every change of the overlay
	changes  []int32  // nodes in the order of their changes

	holds    []hold
	holdsOn  map[int32][]int
	reserved map[string]int // blocked jobs with a hold, by partition

	placed []placed // the overlay, in order
	plan   api.Plan
}

// placed is one entry of the overlay.
type placed struct {
	bind api.Bind
	node int32
	ends time.Time
}

// Cycle orders the waiting groups, places what fits, holds room for the first blocked jobs and
// backfills around them. It leaves the view as it was.
func Cycle(view View, in Input) api.Plan {
	c := newCycle(&view, in)
	defer c.undo(0)
	c.run(after(c.queue, in.Cursor))
	for i := range c.placed {
		c.plan.Binds = append(c.plan.Binds, c.placed[i].bind)
	}
	return c.plan
}

func newCycle(view *View, in Input) *cycle {
	nodes := sortedNodes(view.Nodes)
	c := &cycle{
		view: view, in: in.withDefaults(), nodes: nodes, queue: queueOf(view),
		members: map[string]map[string]bool{}, pools: map[string]*pool{},
		versions: make([]uint32, len(nodes)), holdsOn: map[int32][]int{}, reserved: map[string]int{},
	}
	for name, p := range view.Partitions {
		if len(p.Spec.NodeNames) == 0 {
			continue
		}
		set := make(map[string]bool, len(p.Spec.NodeNames))
		for _, n := range p.Spec.NodeNames {
			set[n] = true
		}
		c.members[name] = set
	}
	c.resumeHolds()
	return c
}

// resumeHolds takes over the holds of the cycle that this one goes on with.
func (c *cycle) resumeHolds() {
	if c.in.Cursor == nil {
		return
	}
	known := map[api.JobID]bool{}
	for _, h := range c.in.Holds {
		if j := c.find(h.Job); j != nil && !known[h.Job] {
			known[h.Job] = true
			c.reserved[j.Spec.Partition]++
		}
		for i, n := range c.nodes {
			if n.Name == h.Node {
				c.addHold(hold{job: h.Job, node: int32(i), at: h.Until, need: h.Resources})
			}
		}
	}
}

func (c *cycle) run(queue []*Job) {
	last := api.JobID(0)
	if c.in.Cursor != nil {
		last = c.in.Cursor.After
	}
	for _, j := range queue {
		if c.plan.Evaluations >= c.in.Budget || !c.job(j) {
			c.plan.Next = &api.CycleCursor{After: last}
			return
		}
		last = j.ID
	}
}

// job places what it can of a job and notes why the rest waits. It returns false when the plan is
// full before the job is done.
func (c *cycle) job(j *Job) bool {
	if why, shut := c.firstGate(j); shut {
		c.note(j, why)
		return true
	}
	room, main := j.room(), block{}
	for _, g := range j.groups() {
		if why, shut := c.groupGate(g); shut {
			main = main.or(why)
			continue
		}
		done, why := c.group(g, room)
		room -= done
		if why.reason == reasonPlanFull {
			return false
		}
		main = main.or(why)
	}
	c.note(j, main)
	return true
}

// reasonPlanFull is no reason of the job: the plan has reached its bound.
const reasonPlanFull api.Reason = "plan_full"

// group places up to room instances of a group, lowest ordinals first, and says what stopped it.
func (c *cycle) group(g group, room int64) (done int64, why block) {
	lowest, _ := g.ordinals.TakeLowest(room)
	shapes := c.shapes(g)
	lowest.Each(func(ordinal int64) bool {
		if len(c.placed) >= c.in.BindsMax {
			why = block{reason: reasonPlanFull}
			return false
		}
		if why = c.instance(g.job, shapes, ordinal); why.reason != api.ReasonNone {
			return false
		}
		done++
		return true
	})
	switch {
	case why.reason == api.ReasonResources:
		c.blocked(g.job, shapes)
	case why.reason == api.ReasonNone && done < g.ordinals.Len():
		why = arrayLimited(g.job)
	}
	return done, why
}

// blocked protects the start of the first blocked jobs from those behind them.
func (c *cycle) blocked(j *Job, shapes []*shape) {
	if c.reserved[j.Spec.Partition] >= c.in.Policy.Reservations {
		return
	}
	if _, ok := c.reserve(j, shapes); ok {
		c.reserved[j.Spec.Partition]++
	}
}

// shapes are what the members of a group need. Nodes that refused the instance are avoided as long
// as the others could do for all its members together.
func (c *cycle) shapes(g group) []*shape {
	plain := make([]*shape, len(g.job.members))
	for i := range g.job.members {
		plain[i] = &g.job.members[i].shape
	}
	if g.special == nil || len(g.special.Excluded) == 0 {
		return plain
	}
	careful := make([]*shape, len(plain))
	for i, s := range plain {
		avoiding := s.avoiding(g.special.Excluded)
		careful[i] = &avoiding
	}
	if c.elsewhere(g.job, careful) {
		return careful
	}
	return plain
}

// elsewhere says whether the nodes that take pods and are not avoided could, when empty, run all members
// of an instance at once: a gang that needs a bad node, too, would wait for ever (sim, seed 215).
func (c *cycle) elsewhere(j *Job, careful []*shape) bool {
	left := map[int]api.Resources{} // of the nodes that members were tried on
	for m, s := range careful {
		need := int64(j.members[m].count)
		for i := 0; i < len(c.nodes) && need > 0; i++ {
			n := c.nodes[i]
			if !takesPods(n) || !filters[avoidedFilter].passes(c, s, n) || !c.possible(s, n) {
				continue
			}
			rest, tried := left[i]
			if !tried {
				rest = n.Capacity
			}
			need -= c.pack(s, n, &rest, need)
			left[i] = rest
		}
		if need > 0 {
			return false
		}
	}
	return true
}

// instance places all members of one instance or none.
func (c *cycle) instance(j *Job, shapes []*shape, ordinal int64) block {
	mark := len(c.placed)
	rank := int32(0)
	for m, s := range shapes {
		for range j.members[m].count {
			bind := api.Bind{Job: j.ID, Ordinal: ordinal, Rank: rank, Role: j.members[m].role, Class: s.class}
			if why := c.place(s, bind); why.reason != api.ReasonNone {
				c.undo(mark)
				return why.ofGang(j)
			}
			rank++
		}
	}
	return block{}
}

// place puts one pod on the best node that fits and whose holds it does not delay.
func (c *cycle) place(s *shape, bind api.Bind) block {
	p := c.poolOf(s)
	var aside []candidate // fit, but held for others
	defer func() {
		for _, x := range aside {
			p.push(x)
		}
	}()
	for {
		x, ok := c.best(p)
		if !ok {
			return c.noCandidate(p, len(aside) > 0)
		}
		n := c.nodes[x.node]
		take, _ := s.takes(n)
		if c.delays(x.node, s, take) {
			aside = append(aside, x)
			continue
		}
		if c.book(x.node, s, take, bind) {
			return block{}
		}
	}
}

// book takes the resources in the overlay. It fails when the free CPUs are no whole cores, which
// only a pod that another program placed can cause.
func (c *cycle) book(node int32, s *shape, take api.Resources, bind api.Bind) bool {
	n := c.nodes[node]
	var positions []int
	if s.cpus > 0 && len(n.topology.cpus) > 0 {
		var ok bool
		if positions, ok = n.topology.pick(n.freeCPUs, s.cpus); !ok {
			return false
		}
		bind.CPUs = n.topology.list(positions)
	}
	bind.Node, bind.Resources = n.Name, take
	p := placed{bind: bind, node: node, ends: c.in.Now.Add(s.limit)}
	n.Add(Held{
		Key:       api.PodKey{Instance: api.Instance{Owner: bind.Job, Index: bind.Ordinal, Rank: bind.Rank}},
		Resources: take, CPUs: bind.CPUs, Exclusive: s.exclusive, EndsAt: p.ends, positions: positions,
	})
	c.placed = append(c.placed, p)
	c.useExtra(node, p, 1)
	c.touch(node)
	return true
}

// undo takes the overlay back to a mark.
func (c *cycle) undo(mark int) {
	for i := len(c.placed) - 1; i >= mark; i-- {
		p := c.placed[i]
		n := c.nodes[p.node]
		n.removeAt(len(n.held) - 1)
		c.useExtra(p.node, p, -1)
		c.touch(p.node)
	}
	c.placed = c.placed[:mark]
}

func (c *cycle) touch(node int32) {
	c.versions[node]++
	c.changes = append(c.changes, node)
}
