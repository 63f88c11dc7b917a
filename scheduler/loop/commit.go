package loop

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/coxswain-hpc/coxswain/api"
)

// commitUnitsMax bounds the jobs of one transaction: locks are held for milliseconds, not seconds.
const commitUnitsMax = 500

// commit stores units in batches and takes what was stored into the world. Refused units are read
// again; the next step decides anew.
func (l *Loop) commit(ctx context.Context, now time.Time, units []api.JobCommit) error {
	for batch := range slices.Chunk(units, commitUnitsMax) {
		if err := l.commitBatch(ctx, now, api.Commit{Jobs: batch, Now: l.world.stampOf(now, batch)}); err != nil {
			return err
		}
	}
	return l.reload(ctx)
}

// stampOf is the time that a batch carries: never before a bind that it closes, since the leader before
// this one may have had a faster clock, and charged time never runs backwards (sim, seed 71).
func (w *world) stampOf(now time.Time, batch []api.JobCommit) time.Time {
	for _, u := range batch {
		for _, key := range u.Releases {
			if at := w.pods[key].BoundAt; at.After(now) {
				now = at
			}
		}
	}
	return now
}

// notBefore is now, or the time at if that is later: a job doesn't end before its start, whosever clock
// that came from (sim, seed 1210).
func notBefore(now time.Time, at *time.Time) time.Time {
	if at != nil && at.After(now) {
		return *at
	}
	return now
}

// commitBatch stores one transaction. After an error nobody knows whether it happened, so the world
// is given up and loaded again. Now is the time of the step, which alarms are set from.
func (l *Loop) commitBatch(ctx context.Context, now time.Time, c api.Commit) error {
	result, err := l.store.Commit(ctx, l.elector.term, c)
	if err != nil {
		l.forget()
		return fmt.Errorf("commit %d jobs: %w", len(c.Jobs), err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, unit := range c.Jobs {
		if slices.Contains(result.Refused, unit.ID) {
			l.metrics.Refused++
			l.refused = true
			l.world.stale[unit.ID] = true
			continue
		}
		l.metrics.Binds += uint64(len(unit.Binds))
		l.world.committed(unit, now)
		if unit.Status.State.Ended() {
			delete(l.ids, unit.ID)
		}
	}
	for _, n := range c.Nodes {
		l.world.nodeBecame(n)
	}
	return nil
}

// reload reads the jobs again of which the world is not sure.
func (l *Loop) reload(ctx context.Context) error {
	ids := slices.Sorted(maps.Keys(l.world.stale))
	if len(ids) == 0 {
		return nil
	}
	records, pods, err := l.store.Jobs(ctx, ids)
	if err != nil {
		return fmt.Errorf("read %d jobs again: %w", len(ids), err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	clear(l.world.stale)
	l.world.replace(ids, records, pods)
	return nil
}

// replace makes the store's records and pods the only truth about some jobs.
func (w *world) replace(ids []api.JobID, records []api.JobRecord, pods []api.Pod) {
	current := make(map[api.PodKey]bool, len(pods))
	for _, p := range pods {
		current[p.Key] = true
	}
	found := make(map[api.JobID]bool, len(records))
	for _, rec := range records {
		found[rec.Job.ID] = true
	}
	for _, id := range ids {
		j, open := w.jobs[id]
		if !open {
			continue
		}
		for key := range maps.Clone(j.pods) {
			if !current[key] {
				w.dropPod(w.pods[key])
			}
		}
		if !found[id] {
			w.dropJob(j)
			continue
		}
		w.dirty[id], w.cycleDue = true, true
	}
	for _, rec := range records {
		w.putJob(rec)
	}
	for _, p := range pods {
		w.putPod(p)
	}
}

// committed takes a stored unit into the world, so that the next decision builds on it before the
// feed tells of it.
func (w *world) committed(u api.JobCommit, now time.Time) {
	j, open := w.jobs[u.ID]
	if !open {
		return
	}
	rec := j.rec
	rec.Job.Status, rec.RequeueServed = u.Status, u.RequeueServed
	rec.Indices = mergeRows(rec.Indices, u)
	rec.Dependencies = slices.Clone(rec.Dependencies)
	for _, d := range u.Dependencies {
		rec.Dependencies[d.Position].Met = d.Met
		rec.Dependencies[d.Position].Failed = !d.Met
		w.settledDependency(rec, d.Position)
	}
	for _, key := range u.Releases {
		w.dropPod(w.pods[key])
	}
	w.takeStops(u.Stops)
	if len(u.Ends) > 0 {
		w.stale[u.ID] = true // a report may have been faster than the leader's end: the store knows
	}
	known := w.dirty[u.ID] || crowded(j.rec.Job.Status)
	for _, p := range u.Binds {
		w.putPod(p)
	}
	if !known {
		delete(w.dirty, u.ID) // nothing follows from the leader's own binds
	}
	w.takeRecord(j, rec)
	w.setAlarm(j, now)
	w.tellDependents(rec)
	if rec.Job.Status.State.Ended() {
		w.dropJob(j)
		return
	}
	if len(u.Releases)+len(u.Indices)+len(u.Dependencies)+len(u.DroppedIndices) > 0 {
		w.cycleDue = true // something waits again, or may go now
	}
}

// settledDependency forgets the other job unless another open dependency looks at it.
func (w *world) settledDependency(rec api.JobRecord, position int) {
	on := rec.Dependencies[position].On
	for _, d := range rec.Dependencies {
		if d.On == on && !d.Met && !d.Failed {
			return
		}
	}
	w.unwatch(rec.Job.ID, on)
}

// takeStops takes orders to end into the pods.
func (w *world) takeStops(orders []api.PodStopOrder) {
	for _, o := range orders {
		if p, known := w.pods[o.Key]; known {
			stop := o.Stop
			p.Stop = &stop
			w.putPod(p)
		}
	}
}

// mergeRows applies a unit's upserts and deletes to the rows of a job, in the order of ordinals.
func mergeRows(rows []api.JobIndex, u api.JobCommit) []api.JobIndex {
	if len(u.Indices)+len(u.DroppedIndices) == 0 {
		return rows
	}
	byOrdinal := make(map[int64]api.JobIndex, len(rows)+len(u.Indices))
	for _, row := range rows {
		byOrdinal[row.Ordinal] = row
	}
	for _, row := range u.Indices {
		if row.RequeueSeen { // served: the store shows no wish any more
			row.RequeueWanted, row.RequeueSeen = false, false
		}
		byOrdinal[row.Ordinal] = row
	}
	for _, ordinal := range u.DroppedIndices {
		delete(byOrdinal, ordinal)
	}
	out := make([]api.JobIndex, 0, len(byOrdinal))
	for _, ordinal := range slices.Sorted(maps.Keys(byOrdinal)) {
		out = append(out, byOrdinal[ordinal])
	}
	return out
}

// nodeBecame takes the leader's own conclusion about a node in.
func (w *world) nodeBecame(c api.NodeStateChange) {
	n, known := w.nodes[c.Name]
	if !known {
		return
	}
	n.rec.Status.State, n.rec.Status.Since = c.State, c.Since
	n.books.State = c.State
	w.cycleDue = true
	if c.State == api.NodeDown {
		for key := range n.pods {
			w.dirty[key.Owner] = true
		}
	}
}

// forget gives the world up after a doubt; the next step loads it again.
func (l *Loop) forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.world = nil
	l.cursor, l.holds = nil, nil
	clear(l.ids)
}

// failed handles an error of a step: the loss of leadership ends the reign, all else is tried again.
func (l *Loop) failed(err error) {
	switch {
	case errors.Is(err, api.ErrNotLeader):
		l.stepDown("another server has taken over")
	case errors.Is(err, api.ErrGone):
		l.log.Info("change feed no longer reaches back, loading the world again")
		l.forget()
	case errors.Is(err, api.ErrUnavailable):
		l.leases.interrupt()
		l.log.Warn("store is unavailable, deciding nothing", slog.Any("error", err))
	default:
		l.leases.interrupt()
		l.log.Error("scheduling step failed", slog.Any("error", err))
		l.forget()
	}
}
