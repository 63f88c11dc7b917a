package scheduler

import (
	"fmt"
	"time"

	"github.com/coxswain-hpc/coxswain/api"
)

// block is why something waits: a stable reason, a sentence, and when it may go if known.
type block struct {
	reason  api.Reason
	message string
	until   time.Time
}

// keep makes why the main block unless one is known already: groups come in the order of weight.
func (b *block) keep(why block) {
	if b.reason == api.ReasonNone {
		*b = why
	}
}

// gates are the conditions of a job that have nothing to do with nodes, as a visible list; the first
// that is shut is the main reason.
var gates = []struct {
	name string
	shut func(c *cycle, j *Job) (block, bool)
}{
	{"hold", func(_ *cycle, j *Job) (block, bool) {
		return held(j.Spec.HeldByAdmin), j.Spec.Hold || j.Spec.HeldByAdmin
	}},
	{"partition", partitionShut},
	{"dependency", func(_ *cycle, j *Job) (block, bool) { return j.Dependency.block(), j.Dependency.shut() }},
	{"begin_time", beginShut},
	{"released", func(_ *cycle, j *Job) (block, bool) { return unreleased, j.corr && len(j.allowed()) == 0 }},
	{"array_limit", func(_ *cycle, j *Job) (block, bool) { return arrayLimited(j), j.room() == 0 }},
}

var unreleased = block{
	reason:  api.ReasonDependency,
	message: "waits for the same task of the job that it follows (aftercorr)",
}

func held(byAdmin bool) block {
	if byAdmin {
		return block{reason: api.ReasonHeldByAdmin, message: "held by an admin, who must release it"}
	}
	return block{reason: api.ReasonHeld, message: "held; cox release lets it go"}
}

func partitionShut(c *cycle, j *Job) (block, bool) {
	p, known := c.view.Partitions[j.Spec.Partition]
	why := block{
		reason: api.ReasonPartitionDown, message: fmt.Sprintf("partition %s starts no jobs now", j.Spec.Partition),
	}
	if !known {
		why.message = fmt.Sprintf("partition %s does not exist any more", j.Spec.Partition)
	}
	return why, !known || p.Spec.Down
}

func beginShut(c *cycle, j *Job) (block, bool) {
	at := j.Spec.BeginAt
	if at == nil || !at.After(c.in.Now) {
		return block{}, false
	}
	return block{
		reason: api.ReasonBeginTime, until: *at,
		message: "its begin time is " + at.UTC().Format(time.RFC3339),
	}, true
}

func arrayLimited(j *Job) block {
	return block{
		reason:  api.ReasonArrayLimit,
		message: fmt.Sprintf("as many of its tasks run as its limit %%%d allows", j.Array.Limit),
	}
}

// firstGate is the first shut gate of a job.
func (c *cycle) firstGate(j *Job) (block, bool) {
	for i := range gates {
		if why, shut := gates[i].shut(c, j); shut {
			return why, true
		}
	}
	return block{}, false
}

// groupGate is the gate of an instance with a hold or back-off of its own.
func (c *cycle) groupGate(g group) (block, bool) {
	switch {
	case g.special == nil:
		return block{}, false
	case g.special.Hold:
		return held(false), true
	case g.special.NotBefore.After(c.in.Now):
		return block{
			reason: api.ReasonBackoff, until: g.special.NotBefore,
			message: "waits before the next attempt, since the last one failed by no fault of its own",
		}, true
	}
	return block{}, false
}

// noCandidate says why no node was found for a pod; aside tells that some fit but are held for jobs
// ahead of it.
func (c *cycle) noCandidate(p *pool, aside bool) block {
	switch {
	case aside:
		return block{reason: api.ReasonPriority, message: "the nodes that fit are kept for jobs ahead of it"}
	case !p.possible:
		if p.nearest == "" {
			p.nearest = c.nearest(p.shape)
		}
		return block{reason: api.ReasonNoNode, message: p.nearest}
	case !p.ready:
		return block{reason: api.ReasonNodesDown, message: "the nodes that could run it are down or drained"}
	}
	return block{reason: api.ReasonResources, message: "every node that could run it is in use"}
}

// note puts a job's main reason into the plan if it changed.
func (c *cycle) note(j *Job, why block) {
	if why.reason != j.Reason {
		c.plan.Reasons = append(c.plan.Reasons, api.JobReason{Job: j.ID, Reason: why.reason, Message: why.message})
	}
}

// ofGang tells that single pods would fit, where that is so.
func (b block) ofGang(j *Job) block {
	if n := j.size(); n > 1 && b.reason == api.ReasonResources {
		b.message = fmt.Sprintf("its %d pods do not all fit at once now", n)
	}
	return b
}
