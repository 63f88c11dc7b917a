package scheduler

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/coxswain-hpc/coxswain/api"
)

// Job is a job with waiting instances as the cycle sees it. Make it with NewJob.
type Job struct {
	ID          api.JobID
	Spec        *api.JobSpec
	Array       api.Array
	SubmittedAt time.Time
	Waiting     api.Ranges
	Released    api.Ranges
	// Live is the number of its instances that have a pod, for %limit.
	Live int64
	// Special are the waiting instances that differ from the job, by rising ordinal.
	Special []Special
	// Dependency is how its dependencies stand.
	Dependency DependencyStatus
	// Reason and Message are the main reason that is stored.
	Reason  api.Reason
	Message string

	members []member
	corr    bool // an aftercorr dependency: only released ordinals may start
}

// Special is an instance with a hold, a back-off or excluded nodes of its own.
type Special struct {
	Ordinal   int64
	Hold      bool
	NotBefore time.Time // zero: none
	Excluded  []string
}

// member is one role of a job: count equal pods.
type member struct {
	role  int
	count int32
	shape shape
}

// NewJob makes the cycle's view of a job from its record. Live is the number of its live instances.
func NewJob(rec api.JobRecord, live int64, dependency DependencyStatus) *Job {
	spec := rec.Job.Spec
	// A stored spec is validated; a broken array expression would be a job of one instance.
	array, _ := api.ParseArray(spec.Array)
	j := &Job{
		ID: rec.Job.ID, Spec: &spec, Array: array, SubmittedAt: rec.Job.Status.SubmittedAt,
		Waiting: rec.Job.Status.Waiting, Released: rec.Job.Status.Released, Live: live,
		Special: specials(rec), Dependency: dependency,
		Reason: rec.Job.Status.Reason, Message: rec.Job.Status.Message,
		corr: slices.ContainsFunc(spec.Dependencies, func(d api.Dependency) bool {
			return d.Kind == api.DependencyAfterCorr
		}),
	}
	for i := range spec.Roles {
		j.members = append(j.members, newMember(j, i))
	}
	return j
}

func specials(rec api.JobRecord) []Special {
	var out []Special
	for _, x := range rec.Indices {
		if !x.Hold && x.NotBefore == nil && len(x.ExcludedNodes) == 0 {
			continue
		}
		if !rec.Job.Status.Waiting.Has(x.Ordinal) {
			continue
		}
		s := Special{Ordinal: x.Ordinal, Hold: x.Hold, Excluded: slices.Sorted(slices.Values(x.ExcludedNodes))}
		if x.NotBefore != nil {
			s.NotBefore = *x.NotBefore
		}
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b Special) int { return compareInts(a.Ordinal, b.Ordinal) })
	return out
}

// size is the number of pods of one instance.
func (j *Job) size() int32 {
	var n int32
	for _, m := range j.members {
		n += m.count
	}
	return n
}

// allowed are the waiting ordinals that no dependency keeps back.
func (j *Job) allowed() api.Ranges {
	if j.corr {
		return j.Waiting.Intersect(j.Released)
	}
	return j.Waiting
}

// room is how many more instances %limit lets run.
func (j *Job) room() int64 {
	if j.Array.Limit == 0 {
		return int64(^uint64(0) >> 1)
	}
	return max(0, j.Array.Limit-j.Live)
}

// group is a set of equal waiting instances of a job.
type group struct {
	job      *Job
	ordinals api.Ranges
	special  *Special // nil for the instances that are as their job
}

// groups splits the allowed ordinals of a job: those without anything of their own first.
func (j *Job) groups() []group {
	allowed := j.allowed()
	if len(j.Special) == 0 && len(allowed) > 0 {
		return []group{{job: j, ordinals: allowed}}
	}
	var own []api.Range
	var out []group
	for i := range j.Special {
		s := &j.Special[i]
		if !allowed.Has(s.Ordinal) {
			continue
		}
		one := api.Range{From: s.Ordinal, To: s.Ordinal + 1}
		own = append(own, one)
		out = append(out, group{job: j, ordinals: api.Ranges{one}, special: s})
	}
	plain := allowed.Minus(api.RangesOf(own...))
	if len(plain) > 0 {
		out = append([]group{{job: j, ordinals: plain}}, out...)
	}
	return out
}

// shape is what one pod needs of a node: all that a filter or a score may look at.
type shape struct {
	class       api.ResourceClass
	need        api.Resources
	cpus        int64 // whole CPUs of a guaranteed pod, before rounding up to cores
	wholeMemory bool
	exclusive   bool
	job         api.JobID
	partition   string
	names       []string // only these, if any
	excluded    []string // never these
	avoided     []string // not these, unless no other node could ever do
	limit       time.Duration
	key         string // equal keys: equal answers of all filters and scores
}

func newMember(j *Job, role int) member {
	r := j.Spec.Roles[role]
	s := shapeOf(*j.Spec, r.Template)
	s.job = j.ID
	s.key = s.makeKey()
	return member{role: role, count: max(1, r.Count), shape: s}
}

// shapeOf derives the need of a template: the sum over its containers.
func shapeOf(spec api.JobSpec, t api.PodTemplate) shape {
	var requests, limits api.Resources
	whole := false
	for _, c := range t.Containers {
		requests, limits = requests.Add(c.Requests), limits.Add(c.Limits)
		whole = whole || c.WholeNodeMemory
	}
	s := shape{
		need: requests, wholeMemory: whole, exclusive: spec.Exclusive, partition: spec.Partition,
		names: spec.NodeNames, excluded: spec.ExcludedNodes,
		limit: time.Duration(spec.TimeLimitSeconds) * time.Second,
	}
	if whole {
		// The amount is known only on a node; for the class it counts as a request with that limit.
		requests.MemoryBytes, limits.MemoryBytes = 1, 1
		s.need.MemoryBytes = 0
	}
	s.class = api.ClassOf(requests, limits)
	if s.class == api.ClassGuaranteed {
		s.cpus = requests.CPUMillis / api.MillisPerCPU
	}
	return s
}

func (s *shape) makeKey() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %d %d %t %s %s|%s|%s", s.class, s.need.CPUMillis, s.need.MemoryBytes, s.wholeMemory,
		s.partition, strings.Join(s.names, ","), strings.Join(s.excluded, ","), strings.Join(s.avoided, ","))
	if s.exclusive {
		fmt.Fprintf(&b, "|%d", s.job)
	}
	return b.String()
}

// avoiding is the shape for an instance that some nodes have refused.
func (s *shape) avoiding(nodes []string) shape {
	other := *s
	if len(nodes) > 0 {
		other.avoided = nodes
		other.key = other.makeKey()
	}
	return other
}
