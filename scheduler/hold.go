package scheduler

import (
	"slices"
	"time"

	"github.com/coxswain-hpc/coxswain/api"
)

// holdSearchMax bounds the nodes that are examined for one hold: on a large full cluster the first
// thousand that could run the job tell as much as all, and a cycle stays short.
const holdSearchMax = 1000

// hold keeps room on a node for a blocked job from a moment on (EASY backfill): another pod may be
// placed there if it ends before, or if it fits beside the job.
type hold struct {
	job   api.JobID
	node  int32
	at    time.Time
	need  api.Resources
	extra api.Resources // what others may still have beyond at
}

// delays says whether a pod that takes these resources until ends would delay a hold on the node.
func (c *cycle) delays(node int32, s *shape, take api.Resources) bool {
	ends := c.in.Now.Add(s.limit)
	for _, i := range c.holdsOn[node] {
		h := &c.holds[i]
		if h.job == s.job || !ends.After(h.at) {
			continue
		}
		if s.exclusive || !take.Fits(h.extra) {
			return true
		}
	}
	return false
}

// useExtra books (sign 1) or gives back (sign -1) what a pod of another job takes beyond the holds.
func (c *cycle) useExtra(node int32, p placed, sign int64) {
	for _, i := range c.holdsOn[node] {
		h := &c.holds[i]
		if h.job != p.bind.Job && p.ends.After(h.at) {
			h.extra.CPUMillis -= sign * p.bind.Resources.CPUMillis
			h.extra.MemoryBytes -= sign * p.bind.Resources.MemoryBytes
		}
	}
}

// reserve holds room for one instance of a blocked job where it can start soonest, all its members
// or none. It returns when that is; ok is false when it can't be said.
func (c *cycle) reserve(j *Job, shapes []*shape) (at time.Time, ok bool) {
	var chosen []hold
	for m := range shapes {
		for range j.members[m].count {
			h, found := c.soonest(shapes[m], chosen)
			if !found {
				return time.Time{}, false
			}
			chosen = append(chosen, h)
		}
	}
	for _, h := range chosen {
		if h.at.After(at) {
			at = h.at
		}
	}
	for _, h := range chosen {
		h.at = at // a gang starts when its last member can
		c.addHold(h)
	}
	return at, true
}

func (c *cycle) addHold(h hold) {
	h.extra = c.freeAt(h.node, h.at).Sub(h.need)
	for _, i := range c.holdsOn[h.node] {
		other := &c.holds[i]
		h.extra = h.extra.Sub(other.need)
		other.extra = other.extra.Sub(h.need)
	}
	if j := c.find(h.job); j != nil && j.Spec.Exclusive {
		h.extra = api.Resources{}
	}
	c.holdsOn[h.node] = append(c.holdsOn[h.node], len(c.holds))
	c.holds = append(c.holds, h)
	c.plan.Holds = append(c.plan.Holds, api.CapacityHold{
		Job: h.job, Node: c.nodes[h.node].Name, Resources: h.need, Until: h.at,
	})
}

// find is the waiting job with that id, or nil.
func (c *cycle) find(id api.JobID) *Job {
	for _, j := range c.queue {
		if j.ID == id {
			return j
		}
	}
	return nil
}

// soonest finds the node on which a pod of the shape can start first, beside what is chosen already.
func (c *cycle) soonest(s *shape, chosen []hold) (hold, bool) {
	var best hold
	found, examined := false, 0
	for i, n := range c.nodes {
		if examined == holdSearchMax {
			break
		}
		if !takesPods(n) || !c.possible(s, n) {
			continue
		}
		examined++
		c.plan.Evaluations++
		take, _ := s.wants(n)
		at, ok := c.startOn(int32(i), s, take, chosen)
		if ok && (!found || at.Before(best.at)) {
			best, found = hold{job: s.job, node: int32(i), at: at, need: take}, true
		}
	}
	return best, found
}

// startOn is when the node will have room for take: pods end by their time limits at the latest.
func (c *cycle) startOn(node int32, s *shape, take api.Resources, chosen []hold) (time.Time, bool) {
	n := c.nodes[node]
	for _, h := range chosen {
		if h.node == node {
			take = take.Add(h.need)
		}
	}
	for _, i := range c.holdsOn[node] {
		take = take.Add(c.holds[i].need)
	}
	free, at := n.Free(), c.in.Now
	ends := byEnd(n.held)
	others, exclusive := n.otherJob(s.job)
	alone := (s.exclusive && others) || exclusive
	for i := 0; ; i++ {
		if take.Fits(free) && (!alone || i == len(ends)) {
			return at, true
		}
		if i == len(ends) {
			return at, false
		}
		free = free.Add(ends[i].Resources)
		if ends[i].EndsAt.After(at) {
			at = ends[i].EndsAt
		}
	}
}

// freeAt is what will be free on the node at that time if every pod runs to its limit.
func (c *cycle) freeAt(node int32, at time.Time) api.Resources {
	free := c.nodes[node].Free()
	for i := range c.nodes[node].held {
		if h := &c.nodes[node].held[i]; !h.EndsAt.After(at) {
			free = free.Add(h.Resources)
		}
	}
	return free
}

func byEnd(held []Held) []Held {
	out := slices.Clone(held)
	slices.SortFunc(out, func(a, b Held) int {
		if c := a.EndsAt.Compare(b.EndsAt); c != 0 {
			return c
		}
		return compareKeys(a.Key, b.Key)
	})
	return out
}
