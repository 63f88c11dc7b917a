package loop

import (
	"slices"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/scheduler"
)

// judge settles open dependencies, and cancels what they forbid for good.
func (s *settling) judge() {
	s.unit.Dependencies = nil
	if len(s.rec.Dependencies) == 0 || s.st.Counts.Waiting == 0 {
		return
	}
	list := slices.Clone(s.rec.Dependencies)
	for i := range list {
		s.judgeOne(i, &list[i])
	}
	s.release(list)
	sum := scheduler.Dependencies(&s.rec.Job.Spec, list, s.now)
	switch {
	case !sum.Never:
	case !s.rec.Job.Spec.KeepOnInvalidDependency:
		s.cancelWaiting(s.st.Waiting)
		s.never = sum.Message
	case len(s.unit.Dependencies) > 0: // found now, and the job stays
		s.mail(api.MailInvalidDepend, "", sum.Message)
	}
}

func (s *settling) judgeOne(position int, d *api.DependencyState) {
	if d.Met || d.Failed {
		return
	}
	v := scheduler.Judge(*d, s.now)
	if _, byTask := s.released[position]; byTask && v == scheduler.Failed {
		v = scheduler.Met // each task goes its own way, see release
	}
	d.Met, d.Failed = v == scheduler.Met, v == scheduler.Failed
	if v != scheduler.Open {
		s.unit.Dependencies = append(s.unit.Dependencies, api.DependencySettled{Position: position, Met: d.Met})
		s.changed = true
	}
}

// release keeps Status.Released: what the aftercorr dependencies let go. A task whose counterpart has
// ended otherwise can never start.
func (s *settling) release(list []api.DependencyState) {
	isCorr := func(d api.DependencyState) bool { return d.Kind == api.DependencyAfterCorr }
	isOpen := func(d api.DependencyState) bool { return !d.Met && !d.Failed }
	settled := !slices.ContainsFunc(s.rec.Dependencies, isOpen)
	if !slices.ContainsFunc(list, isCorr) || settled && len(s.released) == 0 {
		return // none; or all settled for good, and nothing by task that may have been put off
	}
	free := s.letGo(list)
	stored := storable(free, s.st.Waiting)
	if !slices.Equal(stored, s.st.Released) {
		s.st.Released, s.changed = stored, true
	}
	lost := s.st.Waiting.Minus(free)
	if len(lost) == 0 || slices.ContainsFunc(list, isOpen) || s.rec.Job.Spec.KeepOnInvalidDependency {
		return
	}
	s.cancelWaiting(lost)
	s.never = "the same task of the job that it follows did not complete (aftercorr)"
}

// letGo is what all dependencies together let go, or what any of them does.
func (s *settling) letGo(list []api.DependencyState) api.Ranges {
	all := api.RangesOf(api.Range{From: 0, To: s.array.Len()})
	either, both := api.Ranges(nil), all
	for i, d := range list {
		var own api.Ranges
		if d.Met {
			own = all
		}
		if tasks, byTask := s.released[i]; byTask {
			own = tasks
		}
		either = either.Union(own)
		if d.Kind == api.DependencyAfterCorr {
			both = both.Intersect(own)
		}
	}
	if s.rec.Job.Spec.DependencyAny {
		return either
	}
	return both
}
