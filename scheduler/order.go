package scheduler

import (
	"slices"

	"github.com/coxswain-hpc/coxswain/api"
)

// orderKeys is the first policy, as a visible list: what stands first decides, ties go on to the
// next. The last one never ties, so the order is total.
var orderKeys = []struct {
	name    string
	compare func(v *View, a, b *Job) int // negative: a goes first
}{
	{"qos_priority", func(v *View, a, b *Job) int { return compareInts(v.qosPriority(b), v.qosPriority(a)) }},
	{"partition_priority", func(v *View, a, b *Job) int {
		return compareInts(v.partitionPriority(b), v.partitionPriority(a))
	}},
	{"nice", func(_ *View, a, b *Job) int { return compareInts(a.Spec.Nice, b.Spec.Nice) }},
	{"age", func(_ *View, a, b *Job) int { return a.SubmittedAt.Compare(b.SubmittedAt) }},
	{"id", func(_ *View, a, b *Job) int { return compareInts(int64(a.ID), int64(b.ID)) }},
}

func (v *View) qosPriority(j *Job) int64       { return v.QOS[j.Spec.QOS].Spec.Priority }
func (v *View) partitionPriority(j *Job) int64 { return v.Partitions[j.Spec.Partition].Spec.Priority }

// queueOf puts the waiting jobs in order. A slice that is in order already is used as it is.
func queueOf(v *View) []*Job {
	before := func(a, b *Job) int {
		for _, key := range orderKeys {
			if c := key.compare(v, a, b); c != 0 {
				return c
			}
		}
		return 0
	}
	if slices.IsSortedFunc(v.Jobs, before) {
		return v.Jobs
	}
	out := slices.Clone(v.Jobs)
	slices.SortFunc(out, before)
	return out
}

// after returns the part of the queue that a cycle with this cursor works on: what follows the
// cursor's job, or all of it when that job waits no more.
func after(queue []*Job, cursor *api.CycleCursor) []*Job {
	if cursor == nil || cursor.After == 0 {
		return queue
	}
	for i, j := range queue {
		if j.ID == cursor.After {
			return queue[i+1:]
		}
	}
	return queue
}
