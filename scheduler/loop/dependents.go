package loop

import (
	"slices"
	"time"

	"github.com/coxswain-hpc/coxswain/api"
)

// watch notes that a job waits for another, and looks at the other if it is open here.
func (w *world) watch(j *job, d *api.DependencyState) {
	if d.Met || d.Failed || d.Kind == api.DependencySingleton {
		return
	}
	set := w.dependents[d.On]
	if set == nil {
		set = map[api.JobID]bool{}
		w.dependents[d.On] = set
	}
	set[j.rec.Job.ID] = true
	if d.Kind == api.DependencyAfterCorr {
		w.corr[j.rec.Job.ID] = true
	}
	if target, open := w.jobs[d.On]; open {
		w.look(d, target.rec, j)
	}
}

func (w *world) unwatch(id, on api.JobID) {
	delete(w.dependents[on], id)
	if len(w.dependents[on]) == 0 {
		delete(w.dependents, on)
		delete(w.arrays, on)
	}
}

// tellDependents shows a changed job to those that wait for it.
func (w *world) tellDependents(rec api.JobRecord) {
	for id := range w.dependents[rec.Job.ID] {
		j, open := w.jobs[id]
		if !open {
			continue
		}
		j.rec.Dependencies = slices.Clone(j.rec.Dependencies)
		for i := range j.rec.Dependencies {
			if d := &j.rec.Dependencies[i]; d.On == rec.Job.ID && w.look(d, rec, j) {
				w.dirty[id] = true
				w.cycleDue = true
			}
		}
	}
}

// look updates what a dependency knows of the job that it looks at; it says whether that changed.
func (w *world) look(d *api.DependencyState, rec api.JobRecord, j *job) bool {
	st := rec.Job.Status
	if d.Kind == api.DependencyAfterCorr {
		w.corr[j.rec.Job.ID] = true
	}
	if d.OnIndex != api.NoIndex {
		return w.lookAtTask(d, rec, j)
	}
	before := *d
	d.OnState, d.OnStartedAt, d.OnEndedAt = st.State, st.StartedAt, st.EndedAt
	return before.OnState != d.OnState || (before.OnStartedAt == nil) != (d.OnStartedAt == nil) ||
		d.Kind == api.DependencyAfterCorr
}

// lookAtTask follows a single array task. How an ended one ended stands in the store alone, so the
// dependent's record is read again.
func (w *world) lookAtTask(d *api.DependencyState, rec api.JobRecord, j *job) bool {
	if d.OnState.Ended() {
		return false
	}
	array, _ := api.ParseArray(rec.Job.Spec.Array)
	ordinal, known := array.Ordinal(d.OnIndex)
	if !known {
		return false
	}
	if rec.Job.Status.Waiting.Has(ordinal) {
		d.OnState = api.JobPending
		return false
	}
	if target, open := w.jobs[d.On]; open {
		for key := range target.pods {
			p := w.pods[key]
			if p.Ordinal != ordinal {
				continue
			}
			changed := d.OnStartedAt == nil
			d.OnState = api.JobRunning
			if changed {
				at := p.BoundAt
				d.OnStartedAt = &at
			}
			return changed
		}
	}
	w.stale[j.rec.Job.ID] = true
	return true
}

// touchTasks shows a job whose pods changed to those that wait for single tasks of it.
func (w *world) touchTasks(j *job) {
	if len(w.dependents[j.rec.Job.ID]) > 0 {
		w.tellDependents(j.rec)
	}
}

func (w *world) addNamesake(rec api.JobRecord) {
	key := namesakeOf(rec)
	if w.namesakes[key] == nil {
		w.namesakes[key] = map[api.JobID]bool{}
	}
	w.namesakes[key][rec.Job.ID] = true
}

func (w *world) dropNamesake(rec api.JobRecord) {
	key := namesakeOf(rec)
	delete(w.namesakes[key], rec.Job.ID)
	for id := range w.namesakes[key] {
		if j := w.jobs[id]; j != nil && hasSingleton(j.rec) {
			w.dirty[id] = true
			w.cycleDue = true
		}
	}
	if len(w.namesakes[key]) == 0 {
		delete(w.namesakes, key)
	}
}

func namesakeOf(rec api.JobRecord) namesake {
	return namesake{user: rec.Job.Spec.Owner.User, name: rec.Job.Spec.Name}
}

func hasSingleton(rec api.JobRecord) bool {
	return slices.ContainsFunc(rec.Job.Spec.Dependencies, func(d api.Dependency) bool {
		return d.Kind == api.DependencySingleton
	})
}

// lookAtNamesakes fills in the singleton dependencies of a job: earlier open jobs of the same user
// and name stand for one running job.
func (w *world) lookAtNamesakes(j *job) {
	if !hasSingleton(j.rec) {
		return
	}
	earlier := false
	for id := range w.namesakes[namesakeOf(j.rec)] {
		earlier = earlier || id < j.rec.Job.ID
	}
	j.rec.Dependencies = slices.Clone(j.rec.Dependencies)
	for i := range j.rec.Dependencies {
		if d := &j.rec.Dependencies[i]; d.Kind == api.DependencySingleton {
			d.OnState = ""
			if earlier {
				d.OnState = api.JobRunning
			}
		}
	}
}

// setAlarm notes when time alone may let something of the job go.
func (w *world) setAlarm(j *job, now time.Time) {
	delete(w.timed, j.rec.Job.ID)
	if at := nextTime(j.rec, now); !at.IsZero() && len(j.rec.Job.Status.Waiting) > 0 {
		w.timed[j.rec.Job.ID] = at
	}
}

// nextTime is the next moment at which time alone may let something of the job go; zero if none.
func nextTime(rec api.JobRecord, now time.Time) time.Time {
	var next time.Time
	consider := func(at time.Time) {
		if at.After(now) && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	if at := rec.Job.Spec.BeginAt; at != nil {
		consider(*at)
	}
	for _, x := range rec.Indices {
		if x.NotBefore != nil && rec.Job.Status.Waiting.Has(x.Ordinal) {
			consider(*x.NotBefore)
		}
	}
	for _, d := range rec.Dependencies {
		if d.Kind == api.DependencyAfter && !d.Met && !d.Failed && d.OnStartedAt != nil {
			consider(d.OnStartedAt.Add(time.Duration(d.DelaySeconds) * time.Second))
		}
	}
	return next
}
