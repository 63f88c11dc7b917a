package scheduler

import (
	"fmt"
	"slices"
	"time"

	"github.com/coxswain-hpc/coxswain/api"
)

// Explain answers why an instance of a waiting job does not run: it runs the very cycle up to the
// job and asks the gates, filters and holds of that moment, all of them instead of the first. Index
// is an array index, or api.NoIndex for the job's first waiting instance. ok is false when the job
// has nothing waiting there.
func Explain(view View, in Input, id api.JobID, index int64) (_ api.Explanation, ok bool) {
	c := newCycle(&view, in)
	defer c.undo(0)
	for i, j := range c.queue {
		if j.ID == id {
			return c.explain(j, index, i)
		}
		if c.plan.Evaluations < c.in.Budget {
			c.job(j)
		}
	}
	return api.Explanation{}, false
}

func (c *cycle) explain(j *Job, index int64, ahead int) (api.Explanation, bool) {
	e := api.Explanation{
		Job: j.ID, Index: index, State: string(api.JobPending), Rank: ahead + 1, Ahead: int64(ahead), At: c.in.Now,
	}
	ordinal, ok := j.ordinalOf(index)
	if !ok {
		return e, false
	}
	for i := range gates {
		if gates[i].shut(c, j) {
			e.Reasons = append(e.Reasons, gates[i].why(c, j).explained())
		}
	}
	g := j.groupOf(ordinal)
	if why, shut := c.groupGate(g); shut {
		e.Reasons = append(e.Reasons, why.explained())
	}
	gated := len(e.Reasons) > 0
	nodes := c.explainNodes(&e, g, ordinal)
	e.Summary = summary(j, &e, gated, nodes)
	return e, true
}

// ordinalOf is the waiting ordinal that an index means.
func (j *Job) ordinalOf(index int64) (int64, bool) {
	if len(j.Waiting) == 0 {
		return 0, false
	}
	if index != api.NoIndex {
		o, known := j.Array.Ordinal(index)
		return o, known && j.Waiting.Has(o)
	}
	if allowed := j.allowed(); len(allowed) > 0 {
		return allowed[0].From, true
	}
	return j.Waiting[0].From, true
}

// groupOf is the group of one ordinal, whether or not a dependency keeps it back.
func (j *Job) groupOf(ordinal int64) group {
	g := group{job: j, ordinals: api.Ranges{{From: ordinal, To: ordinal + 1}}}
	for i := range j.Special {
		if j.Special[i].Ordinal == ordinal {
			g.special = &j.Special[i]
		}
	}
	return g
}

// explainNodes tries to place the instance, as the cycle would, and says what the nodes lack. It returns
// the reason as a whole, which is among the others only if the counts do not say it.
func (c *cycle) explainNodes(e *api.Explanation, g group, ordinal int64) block {
	shapes := c.shapes(g)
	mark := len(c.placed)
	why := c.instance(g.job, shapes, ordinal)
	c.undo(mark)
	if why.reason == api.ReasonNone {
		return why
	}
	s := c.tightest(shapes)
	// The summary says the main reason, unless it tells of a gate: then a nearest node is named here.
	told := len(e.Reasons) == 0 || why.reason != api.ReasonNoNode
	e.Reasons = append(e.Reasons, c.mainFirst(why, told, c.countByFilter(s))...)
	if why.reason != api.ReasonResources && why.reason != api.ReasonPriority {
		return why
	}
	if at, ok := c.reserve(g.job, shapes); ok {
		e.PredictedStart = predicted(e, at)
	}
	if text, ok := c.smaller(s); ok {
		e.Suggestions = append(e.Suggestions, text)
	}
	return why
}

// mainFirst puts the counts with the main reason's word first. If the main reason was not told, or there
// are none (it is about nothing that a single node lacks), it comes before them.
func (c *cycle) mainFirst(main block, told bool, counts []api.ExplainReason) []api.ExplainReason {
	other := func(r api.ExplainReason) int {
		if r.Reason == main.reason {
			return 0
		}
		return 1
	}
	slices.SortStableFunc(counts, func(a, b api.ExplainReason) int { return other(a) - other(b) })
	if told && len(counts) > 0 && counts[0].Reason == main.reason {
		return counts
	}
	r := main.explained()
	r.Nodes = len(c.nodes)
	return append([]api.ExplainReason{r}, counts...)
}

// predicted is the start that capacity allows, not before the known ends of other reasons.
func predicted(e *api.Explanation, at time.Time) *time.Time {
	for _, r := range e.Reasons {
		if r.Until != nil && r.Until.After(at) {
			at = *r.Until
		}
	}
	return &at
}

// tightest is the member's shape that fits the fewest nodes now.
func (c *cycle) tightest(shapes []*shape) *shape {
	best, fewest := shapes[0], len(c.nodes)+1
	for _, s := range shapes {
		fits := 0
		for _, n := range c.nodes {
			if c.firstFailed(s, n) == fitsNow {
				fits++
			}
		}
		if fits < fewest {
			best, fewest = s, fits
		}
	}
	return best
}

// countByFilter counts the nodes under the first filter that each fails, and those that fit but are
// kept for jobs ahead.
func (c *cycle) countByFilter(s *shape) []api.ExplainReason {
	counts, kept := make([]int, len(filters)), 0
	for i, n := range c.nodes {
		if f := c.firstFailed(s, n); f != fitsNow {
			counts[f]++
			continue
		}
		if take, _ := s.takes(n); c.delays(int32(i), s, take) {
			kept++
		}
	}
	var out []api.ExplainReason
	for f, n := range counts {
		if n > 0 {
			out = append(out, api.ExplainReason{Reason: filters[f].reason, Message: filters[f].tell(s), Nodes: n})
		}
	}
	if kept > 0 {
		out = append(out, api.ExplainReason{
			Reason: api.ReasonPriority, Message: "kept for jobs ahead of it", Nodes: kept,
		})
	}
	return out
}

// smaller finds the node with the most room of those that the shape could run on, and says what
// would fit there now.
func (c *cycle) smaller(s *shape) (string, bool) {
	var best *Node
	for _, n := range c.nodes {
		if !takesPods(n) || !c.possible(s, n) || !exclusivity(c, s, n) {
			continue
		}
		if free := n.Free(); free.CPUMillis <= 0 || free.MemoryBytes <= 0 {
			continue
		}
		if best == nil || roomFor(s, n) > roomFor(s, best) {
			best = n
		}
	}
	if best == nil || s.wholeMemory {
		return "", false
	}
	free := best.Free()
	if s.need.Fits(free) {
		return "", false
	}
	return fmt.Sprintf("with at most %s CPUs and %s memory it would fit on %s now",
		api.FormatCPUs(free.CPUMillis), api.FormatBytes(free.MemoryBytes), best.Name), true
}

func roomFor(s *shape, n *Node) int64 {
	free := n.Free()
	return min(fullness(free.CPUMillis, s.need.CPUMillis), fullness(free.MemoryBytes, s.need.MemoryBytes))
}

func (b block) explained() api.ExplainReason {
	r := api.ExplainReason{Reason: b.reason, Message: b.message}
	if !b.until.IsZero() {
		until := b.until
		r.Until = &until
	}
	return r
}

// summary tells the main reason in one sentence: the first gate, else the nodes as a whole.
func summary(j *Job, e *api.Explanation, gated bool, nodes block) string {
	who := api.Instance{Owner: j.ID, Index: e.Index}.String()
	if len(e.Reasons) == 0 {
		return who + " can start now"
	}
	main := nodes.message
	if gated {
		main = e.Reasons[0].Message
	}
	text := fmt.Sprintf("%s waits: %s", who, main)
	if e.PredictedStart != nil {
		text += fmt.Sprintf("; it can start in %s, if nothing changes", api.FormatSpan(e.PredictedStart.Sub(e.At)))
	}
	return text
}
