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

// or is why unless a block is known already: groups come in the order of weight.
func (b block) or(why block) block {
	if b.reason == api.ReasonNone {
		return why
	}
	return b
}

// gate is a condition of a job that has nothing to do with nodes. The sentence is made only when it
// is needed: most gates of most jobs are open.
type gate struct {
	name string
	shut func(c *cycle, j *Job) bool
	why  func(c *cycle, j *Job) block
}

// gates is the visible list; the first that is shut is the main reason.
var gates = []gate{
	{
		"hold",
		func(_ *cycle, j *Job) bool { return j.Spec.Hold || j.Spec.HeldByAdmin },
		func(_ *cycle, j *Job) block { return held(j.Spec.HeldByAdmin) },
	},
	{"partition", partitionShut, whyPartition},
	{
		"dependency",
		func(_ *cycle, j *Job) bool { return j.Dependency.shut() },
		func(_ *cycle, j *Job) block { return j.Dependency.block() },
	},
	{
		"begin_time",
		func(c *cycle, j *Job) bool { return j.Spec.BeginAt != nil && j.Spec.BeginAt.After(c.in.Now) },
		func(_ *cycle, j *Job) block {
			at := j.Spec.BeginAt.UTC()
			return block{reason: api.ReasonBeginTime, message: "its begin time has not come", until: at}
		},
	},
	{
		"released",
		func(_ *cycle, j *Job) bool { return j.corr && len(j.allowed()) == 0 },
		func(*cycle, *Job) block {
			return block{
				reason:  api.ReasonDependency,
				message: "waits for the same task of the job that it follows (aftercorr)",
			}
		},
	},
	{
		"array_limit",
		func(_ *cycle, j *Job) bool { return j.room() == 0 },
		func(_ *cycle, j *Job) block { return arrayLimited(j) },
	},
}

func held(byAdmin bool) block {
	if byAdmin {
		return block{reason: api.ReasonHeldByAdmin, message: "held by an admin, who must release it"}
	}
	return block{reason: api.ReasonHeld, message: "held; cox release lets it go"}
}

func partitionShut(c *cycle, j *Job) bool {
	p, known := c.view.Partitions[j.Spec.Partition]
	return !known || p.Spec.Down
}

func whyPartition(c *cycle, j *Job) block {
	if _, known := c.view.Partitions[j.Spec.Partition]; !known {
		return block{
			reason:  api.ReasonPartitionDown,
			message: fmt.Sprintf("partition %s does not exist any more", j.Spec.Partition),
		}
	}
	return block{
		reason: api.ReasonPartitionDown, message: fmt.Sprintf("partition %s starts no jobs now", j.Spec.Partition),
	}
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
		if gates[i].shut(c, j) {
			return gates[i].why(c, j), true
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

// note puts a job's main reason into the plan if it changed. What it waits for may change while the
// reason stays: one dependency is met and the next is not.
func (c *cycle) note(j *Job, why block) {
	if why.reason != j.Reason || why.reason == api.ReasonDependency && why.message != j.Message {
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
