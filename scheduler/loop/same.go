package loop

import (
	"slices"
	"time"

	"github.com/coxswain-hpc/coxswain/api"
)

// The feed brings the leader's own writes back to it. These comparisons tell what is news: all that a
// decision looks at is compared, times only for being set, since the store rounds them.

func sameNode(a, b api.Node) bool {
	return a.Generation == b.Generation && a.Status.State == b.Status.State
}

func samePod(a, b api.Pod) bool {
	return a.State == b.State && a.Node == b.Node && a.TimeLimitSeconds == b.TimeLimitSeconds &&
		isSet(a.StartedAt) == isSet(b.StartedAt) && isSet(a.Stop) == isSet(b.Stop) &&
		(a.Stop == nil || a.Stop.State == b.Stop.State)
}

func sameRecord(a, b api.JobRecord) bool {
	return a.Job.Generation == b.Job.Generation && a.CancelWanted == b.CancelWanted &&
		a.RequeueWanted == b.RequeueWanted && a.RequeueServed == b.RequeueServed &&
		sameStatus(a.Job.Status, b.Job.Status) &&
		slices.EqualFunc(a.Indices, b.Indices, sameRow) &&
		slices.EqualFunc(a.Dependencies, b.Dependencies, sameDependency)
}

func sameStatus(a, b api.JobStatus) bool {
	return a.State == b.State && a.Reason == b.Reason && a.Counts == b.Counts &&
		slices.Equal(a.Waiting, b.Waiting) && slices.Equal(a.Released, b.Released) &&
		isSet(a.StartedAt) == isSet(b.StartedAt) && isSet(a.EndedAt) == isSet(b.EndedAt)
}

func sameRow(a, b api.JobIndex) bool {
	return a.Ordinal == b.Ordinal && a.Attempt == b.Attempt && a.TaskID == b.TaskID && a.Hold == b.Hold &&
		a.CancelWanted == b.CancelWanted && a.RequeueWanted == b.RequeueWanted && a.RequeueSeen == b.RequeueSeen &&
		sameTime(a.NotBefore, b.NotBefore) && slices.Equal(a.ExcludedNodes, b.ExcludedNodes)
}

func sameDependency(a, b api.DependencyState) bool {
	return a.Dependency == b.Dependency && a.Met == b.Met && a.Failed == b.Failed
}

// storeRounding is the finest step of time that the store keeps.
const storeRounding = time.Microsecond

func sameTime(a, b *time.Time) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Truncate(storeRounding).Equal(b.Truncate(storeRounding))
}

func isSet[T any](p *T) bool { return p != nil }
