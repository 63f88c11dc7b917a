package scheduler

import (
	"fmt"
	"time"

	"github.com/coxswain-hpc/coxswain/api"
)

// Verdict is how a dependency stands.
type Verdict int

// The verdicts.
const (
	Open Verdict = iota
	Met
	Failed
)

// Judge says how one dependency stands, given what is known of the job (or task) that it looks at.
// For singleton, OnState is that of the earlier jobs together: empty when none is left.
func Judge(d api.DependencyState, now time.Time) Verdict {
	ended := d.OnState == "" || d.OnState.Ended()
	switch {
	case d.Met:
		return Met
	case d.Failed:
		return Failed
	case d.Kind == api.DependencyAfter:
		return judgeAfter(d, now)
	case !ended:
		return Open
	case d.Kind == api.DependencyAfterAny || d.Kind == api.DependencySingleton:
		return Met
	case d.Kind == api.DependencyAfterNotOK:
		return verdict(d.OnState != api.JobCompleted && d.OnState != "")
	}
	// afterok, and aftercorr on a job that has ended: a job that nobody knows never completed.
	return verdict(d.OnState == api.JobCompleted)
}

func verdict(met bool) Verdict {
	if met {
		return Met
	}
	return Failed
}

// judgeAfter: it started (some time ago), or it ended without ever starting.
func judgeAfter(d api.DependencyState, now time.Time) Verdict {
	if d.OnStartedAt != nil {
		if d.OnStartedAt.Add(time.Duration(d.DelaySeconds) * time.Second).After(now) {
			return Open
		}
		return Met
	}
	if d.OnState == "" || d.OnState.Ended() {
		return Met
	}
	return Open
}

// DependencyStatus is how all dependencies of a job stand together.
type DependencyStatus struct {
	// Open: still to wait for; Never: can't be met any more (the job is kept all the same).
	Open, Never bool
	// Message names what is waited for.
	Message string
}

// Dependencies sums up the dependencies of a job. An open aftercorr does not count: it lets its
// ordinals go one by one.
func Dependencies(spec *api.JobSpec, list []api.DependencyState, now time.Time) DependencyStatus {
	var st DependencyStatus
	for _, d := range list {
		v := Judge(d, now)
		if v == Met && spec.DependencyAny {
			return DependencyStatus{}
		}
		if v == Open && d.Kind == api.DependencyAfterCorr {
			continue
		}
		if v == Open && !st.Open {
			st.Open, st.Message = true, waitsFor(d)
		}
		if v == Failed && !st.Never && !spec.DependencyAny {
			st.Never, st.Message = true, neverMet(d)
		}
	}
	if spec.DependencyAny && !st.Open && len(list) > 0 && !openCorr(list, now) {
		st.Never, st.Message = true, "none of its dependencies can be met any more"
	}
	return st
}

func openCorr(list []api.DependencyState, now time.Time) bool {
	for _, d := range list {
		if d.Kind == api.DependencyAfterCorr && Judge(d, now) == Open {
			return true
		}
	}
	return false
}

func (s DependencyStatus) shut() bool { return s.Open || s.Never }

func (s DependencyStatus) block() block {
	if s.Never {
		return block{reason: api.ReasonDependencyNever, message: s.Message}
	}
	return block{reason: api.ReasonDependency, message: s.Message}
}

func onName(d api.DependencyState) string {
	return api.Instance{Owner: d.On, Index: d.OnIndex}.String()
}

func waitsFor(d api.DependencyState) string {
	switch d.Kind {
	case api.DependencyAfter:
		if d.DelaySeconds > 0 {
			return fmt.Sprintf("waits until %d seconds after the start of job %s", d.DelaySeconds, onName(d))
		}
		return fmt.Sprintf("waits for job %s to start", onName(d))
	case api.DependencyAfterOK:
		return fmt.Sprintf("waits for job %s to complete", onName(d))
	case api.DependencyAfterNotOK:
		return fmt.Sprintf("waits for job %s to end otherwise than completed", onName(d))
	case api.DependencySingleton:
		return "waits for earlier jobs of the same name and user"
	case api.DependencyAfterCorr:
		return fmt.Sprintf("waits for the same task of job %s to complete", onName(d))
	case api.DependencyAfterAny:
	}
	return fmt.Sprintf("waits for job %s to end", onName(d))
}

func neverMet(d api.DependencyState) string {
	state := string(d.OnState)
	if state == "" {
		state = "unknown"
	}
	return fmt.Sprintf("%s:%s can never be met: job %s is %s", d.Kind, onName(d), onName(d), state)
}
