package loop

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/internal/invariants"
	"github.com/coxswain-hpc/coxswain/scheduler"
)

const (
	// bindsPerCommit bounds the pods of one transaction.
	bindsPerCommit = 1000
	// taskIDsPerTake is how many numbers an array job takes at a time; unused ones are a gap.
	taskIDsPerTake = 100
	// reasonsPerCommit and reasonInterval bound what changed reasons cost the store.
	reasonsPerCommit = 500
	reasonInterval   = 500 * time.Millisecond
)

// idBlock is a range of numbers taken for the tasks of one array.
type idBlock struct{ next, end api.JobID }

// cycle runs one scheduling cycle and stores what it decided.
func (l *Loop) cycle(ctx context.Context, now time.Time) error {
	plan, ok := l.plan(now)
	if !ok {
		return nil
	}
	if err := l.bind(ctx, now, &plan); err != nil {
		return err
	}
	return l.tellReasons(ctx, now, plan.Reasons)
}

// plan runs Cycle on the world. A plan that breaks an invariant is refused as a whole.
func (l *Loop) plan(now time.Time) (api.Plan, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	view := l.world.view(now)
	l.world.cycleDue = false
	plan := scheduler.Cycle(view, l.input(now))
	l.metrics.Cycles++
	l.metrics.Evaluations += uint64(plan.Evaluations)
	l.cursor, l.holds = plan.Next, plan.Holds
	if plan.Next != nil {
		l.world.cycleDue = true
	}
	if err := scheduler.Check(view, plan); err != nil {
		if invariants.Enabled {
			panic(err)
		}
		l.metrics.BadPlans++
		if l.metrics.BadPlans == 1 {
			l.log.Error("refused a plan that breaks an invariant; this is a bug", slog.Any("error", err))
		}
		return api.Plan{}, false
	}
	return plan, true
}

func (l *Loop) input(now time.Time) scheduler.Input {
	return scheduler.Input{
		Now: now, Seed: l.rand.Uint64(), Policy: l.policy, Budget: l.budget, Cursor: l.cursor, Holds: l.holds,
	}
}

// bind commits the plan's binds in chunks that never split an instance.
func (l *Loop) bind(ctx context.Context, now time.Time, plan *api.Plan) error {
	reasons := make(map[api.JobID]api.JobReason, len(plan.Reasons))
	for _, r := range plan.Reasons {
		reasons[r.Job] = r
	}
	for rest := plan.Binds; len(rest) > 0; {
		n := chunkEnd(rest)
		if err := l.takeIDs(ctx, rest[:n]); err != nil {
			return err
		}
		if err := l.commit(ctx, now, l.bindUnits(now, rest[:n], reasons)); err != nil {
			return err
		}
		rest = rest[n:]
	}
	return nil
}

// chunkEnd is how many of the binds go into the next transaction.
func chunkEnd(binds []api.Bind) int {
	n := min(bindsPerCommit, len(binds))
	for n < len(binds) && binds[n].Job == binds[n-1].Job && binds[n].Ordinal == binds[n-1].Ordinal {
		n++
	}
	return n
}

// takeIDs makes sure that every array task of the chunk that never had a number of its own gets one.
func (l *Loop) takeIDs(ctx context.Context, binds []api.Bind) error {
	need := map[api.JobID]int64{}
	var order []api.JobID
	for _, b := range binds {
		if b.Rank != 0 || !l.needsID(b) {
			continue
		}
		if need[b.Job] == 0 {
			order = append(order, b.Job)
		}
		need[b.Job]++
	}
	for _, id := range order {
		block := l.ids[id]
		missing := need[id] - int64(block.end-block.next)
		if missing <= 0 {
			continue
		}
		// What is left of the old block is given up only when it can't be joined with the new one.
		take := min(max(need[id], taskIDsPerTake), max(need[id], l.world.jobs[id].rec.Job.Status.Counts.Waiting))
		first, err := l.store.TakeIDs(ctx, l.elector.term, int(take))
		if err != nil {
			return fmt.Errorf("take %d task ids: %w", take, err)
		}
		l.ids[id] = idBlock{next: first, end: first + api.JobID(take)}
	}
	return nil
}

func (l *Loop) needsID(b api.Bind) bool {
	j, open := l.world.jobs[b.Job]
	return open && j.rec.Job.Spec.Array != "" && rowOf(j.rec, b.Ordinal).TaskID == 0
}

func rowOf(rec api.JobRecord, ordinal int64) api.JobIndex {
	for _, row := range rec.Indices {
		if row.Ordinal == ordinal {
			return row
		}
	}
	return api.JobIndex{}
}

// bindUnits makes one unit a job of a chunk of binds. Jobs that were refused in an earlier chunk of
// this plan have no such instance waiting any more or are decided about again later.
func (l *Loop) bindUnits(
	now time.Time, binds []api.Bind, reasons map[api.JobID]api.JobReason,
) []api.JobCommit {
	var units []api.JobCommit
	for len(binds) > 0 {
		n := 1
		for n < len(binds) && binds[n].Job == binds[0].Job {
			n++
		}
		if j, open := l.world.jobs[binds[0].Job]; open {
			if unit, ok := l.bindUnit(now, j, binds[:n]); ok {
				explainRest(&unit.Status, reasons[unit.ID])
				units = append(units, unit)
			}
		}
		binds = binds[n:]
	}
	return units
}

// explainRest sets why the rest of a job waits, or that nothing does.
func explainRest(st *api.JobStatus, r api.JobReason) {
	switch {
	case len(st.Waiting) == 0:
		st.Reason, st.Message = api.ReasonNone, ""
	case r.Job != 0:
		st.Reason, st.Message = r.Reason, r.Message
	}
}

func (l *Loop) bindUnit(now time.Time, j *job, binds []api.Bind) (api.JobCommit, bool) {
	rec := j.rec
	unit := api.JobCommit{
		ID: rec.Job.ID, Generation: rec.Job.Generation, RequeueServed: rec.RequeueServed,
		NodeGenerations: map[string]int64{}, Status: rec.Job.Status,
	}
	var placed []api.Range
	array, _ := api.ParseArray(rec.Job.Spec.Array)
	var task api.JobID
	if binds = placeable(rec.Job.Status.Waiting, binds); len(binds) == 0 {
		return unit, false
	}
	for _, b := range binds {
		n, known := l.world.nodes[b.Node]
		if !known || !rec.Job.Status.Waiting.Has(b.Ordinal) {
			return unit, false
		}
		unit.NodeGenerations[b.Node] = n.rec.Generation
		if b.Rank == 0 {
			placed = append(placed, api.Range{From: b.Ordinal, To: b.Ordinal + 1})
			task = l.taskID(rec, b.Ordinal)
		}
		unit.Binds = append(unit.Binds, podOf(rec, b, array.Index(b.Ordinal), now, task, l.elector.term))
	}
	unit.Mails = bindMails(rec, unit.Binds)
	unit.Events = roundedUp(rec, unit.Binds[0], now)
	ordinals := api.RangesOf(placed...)
	st := &unit.Status
	st.Waiting = st.Waiting.Minus(ordinals)
	st.Counts.Waiting -= ordinals.Len()
	st.Counts.Live += ordinals.Len()
	st.State = api.JobRunning
	stamp(&st.EligibleAt, now)
	stamp(&st.StartedAt, now)
	return unit, true
}

// roundedUp tells, at a job's first start, that its pods get more CPUs than were asked for.
func roundedUp(rec api.JobRecord, p api.Pod, now time.Time) []api.Event {
	if rec.Job.Status.StartedAt != nil {
		return nil
	}
	for _, role := range rec.Job.Spec.Roles {
		asked := role.Template.Main().Requests.CPUMillis
		if role.Name != p.Role || p.Resources.CPUMillis <= asked {
			continue
		}
		return []api.Event{{
			At: now, Kind: api.KindJob, Object: rec.Job.ID.String(), Pod: &p.Key, Actor: leader,
			Message: fmt.Sprintf("asked for %s CPUs and gets %s: whole cores of %s", api.FormatCPUs(asked),
				api.FormatCPUs(p.Resources.CPUMillis), p.Node),
		}}
	}
	return nil
}

// stamp sets a time once.
func stamp(at **time.Time, now time.Time) {
	if *at == nil {
		t := now
		*at = &t
	}
}

// taskID is an instance's own number: the job's for a job that is no array, the one it had, or the
// next of its job's block.
func (l *Loop) taskID(rec api.JobRecord, ordinal int64) api.JobID {
	if rec.Job.Spec.Array == "" {
		return rec.Job.ID
	}
	if id := rowOf(rec, ordinal).TaskID; id != 0 {
		return id
	}
	block := l.ids[rec.Job.ID]
	id := block.next
	block.next++
	l.ids[rec.Job.ID] = block
	return id
}

func podOf(rec api.JobRecord, b api.Bind, index int64, now time.Time, task api.JobID, term int64) api.Pod {
	return api.Pod{
		Key: api.PodKey{
			Instance: api.Instance{Owner: b.Job, Index: index, Rank: b.Rank},
			Attempt:  rowOf(rec, b.Ordinal).Attempt + 1,
		},
		Ordinal: b.Ordinal, TaskID: task, Role: rec.Job.Spec.Roles[b.Role].Name, Node: b.Node, State: api.PodBound,
		Class: b.Class, Resources: b.Resources, CPUs: b.CPUs, Term: term,
		TimeLimitSeconds: rec.Job.Spec.TimeLimitSeconds, BoundAt: now,
	}
}

// tellReasons stores changed main reasons of jobs that nothing else was stored about: not too many at
// once and not too often. What is left out comes up again with the next cycle.
func (l *Loop) tellReasons(ctx context.Context, now time.Time, reasons []api.JobReason) error {
	var units []api.JobCommit
	for _, r := range reasons {
		j, open := l.world.jobs[r.Job]
		if !open || len(j.rec.Job.Status.Waiting) == 0 ||
			j.rec.Job.Status.Reason == r.Reason && j.rec.Job.Status.Message == r.Message {
			continue
		}
		if len(units) == reasonsPerCommit || l.clock.Boot()-l.reasonsAt < reasonInterval {
			l.reasonsLeft = true
			break
		}
		unit := api.JobCommit{
			ID: r.Job, Generation: j.rec.Job.Generation, RequeueServed: j.rec.RequeueServed, Status: j.rec.Job.Status,
		}
		unit.Status.Reason, unit.Status.Message = r.Reason, r.Message
		if eligible(r.Reason) {
			stamp(&unit.Status.EligibleAt, now)
		}
		units = append(units, unit)
	}
	if len(units) == 0 {
		return nil
	}
	l.reasonsAt = l.clock.Boot()
	return l.commit(ctx, now, units)
}

// eligible says whether a job that waits for this reason could start as far as its own conditions go.
func eligible(r api.Reason) bool {
	switch r { //nolint:exhaustive // all the others are about nodes, limits and former attempts
	case api.ReasonHeld, api.ReasonHeldByAdmin, api.ReasonDependency, api.ReasonDependencyNever, api.ReasonBeginTime:
		return false
	}
	return true
}
