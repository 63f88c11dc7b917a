package store

import (
	"context"
	"fmt"
	"time"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/apiserver/store/internal/db"
)

// commitRows are the rows of a commit, a list per column, as the statements of commit.sql take
// them.
type commitRows struct {
	now      time.Time
	touched  *touchedSet
	status   db.CommitStatusParams
	ends     db.CommitEndsParams
	releases podKeys
	stops    db.CommitStopsParams
	binds    db.CommitBindsParams
	dropped  indexKeys
	indices  db.CommitIndicesParams
	seen     indexKeys
	verdicts db.CommitDependenciesParams
	events   db.AddEventsParams
	mails    db.CommitMailsParams
	nodes    db.CommitNodesParams
}

type indexKeys struct{ jobs, ordinals []int64 }

func (k *indexKeys) add(job api.JobID, ordinal int64) {
	k.jobs = append(k.jobs, int64(job))
	k.ordinals = append(k.ordinals, ordinal)
}

// gather turns units into rows.
func gather(units []api.JobCommit, c api.Commit) (*commitRows, error) {
	r := &commitRows{now: instant(c.Now), touched: newTouchedSet()}
	for _, unit := range units {
		if err := r.addUnit(unit); err != nil {
			return nil, fmt.Errorf("commit job %s: %w", unit.ID, err)
		}
	}
	for _, n := range c.Nodes {
		r.nodes.Names = append(r.nodes.Names, n.Name)
		r.nodes.States = append(r.nodes.States, string(n.State))
		r.nodes.Since = append(r.nodes.Since, instant(n.Since))
		r.touched.nodes[n.Name] = true
		r.touched.changedNodes[n.Name] = true
	}
	return r, nil
}

func (r *commitRows) addUnit(u api.JobCommit) error {
	r.touched.jobs[u.ID] = true
	if err := r.addStatus(u); err != nil {
		return err
	}
	if err := r.addPods(u); err != nil {
		return err
	}
	for _, ordinal := range u.DroppedIndices {
		r.dropped.add(u.ID, ordinal)
	}
	for _, index := range u.Indices {
		if err := r.addIndex(u.ID, index); err != nil {
			return err
		}
	}
	for _, d := range u.Dependencies {
		r.addVerdict(u.ID, d)
	}
	for _, m := range u.Mails {
		r.addMail(m)
	}
	return appendEvents(&r.events, u.Events)
}

func (r *commitRows) addStatus(u api.JobCommit) error {
	st, s := u.Status, &r.status
	counts, err := jsonText(st.Counts)
	if err != nil {
		return err
	}
	if err := checkPieces(st.Waiting, st.Released); err != nil {
		return err
	}
	s.Ids = append(s.Ids, int64(u.ID))
	s.States = append(s.States, string(st.State))
	s.Reasons = append(s.Reasons, string(st.Reason))
	s.Messages = append(s.Messages, st.Message)
	s.Waiting = append(s.Waiting, rangesText(st.Waiting))
	s.Released = append(s.Released, rangesText(st.Released))
	s.Counts = append(s.Counts, counts)
	s.ExitCodes = append(s.ExitCodes, int32(st.ExitCode))
	s.Restarts = append(s.Restarts, st.Restarts)
	s.RequeueServed = append(s.RequeueServed, u.RequeueServed)
	s.EligibleAt = append(s.EligibleAt, instantOf(st.EligibleAt))
	s.StartedAt = append(s.StartedAt, instantOf(st.StartedAt))
	s.EndedAt = append(s.EndedAt, instantOf(st.EndedAt))
	return nil
}

func checkPieces(sets ...api.Ranges) error {
	for _, set := range sets {
		if len(set) > api.RangesMax {
			return api.Errorf(
				api.CodeLimit, "a set of %d pieces is over the limit of %d", len(set), api.RangesMax,
			)
		}
	}
	return nil
}

func (r *commitRows) addPods(u api.JobCommit) error {
	for _, key := range u.Releases {
		r.touched.pods[key] = true
		r.releases.add(key)
	}
	for _, pod := range u.Binds {
		r.addBind(pod)
	}
	for _, end := range u.Ends {
		if err := r.addEnd(end); err != nil {
			return err
		}
	}
	for _, order := range u.Stops {
		if err := r.addStop(order); err != nil {
			return err
		}
	}
	return nil
}

func (r *commitRows) addBind(pod api.Pod) {
	r.touched.pods[pod.Key] = true
	r.touched.nodes[pod.Node] = true
	b := &r.binds
	b.Owners = append(b.Owners, int64(pod.Key.Owner))
	b.Indices = append(b.Indices, pod.Key.Index)
	b.Ranks = append(b.Ranks, pod.Key.Rank)
	b.Attempts = append(b.Attempts, pod.Key.Attempt)
	b.Ordinals = append(b.Ordinals, pod.Ordinal)
	b.TaskIds = append(b.TaskIds, int64(pod.TaskID))
	b.Roles = append(b.Roles, pod.Role)
	b.Nodes = append(b.Nodes, pod.Node)
	b.Classes = append(b.Classes, string(pod.Class))
	b.CPUMillis = append(b.CPUMillis, pod.Resources.CPUMillis)
	b.MemoryBytes = append(b.MemoryBytes, pod.Resources.MemoryBytes)
	b.CPUs = append(b.CPUs, pod.CPUs)
}

func (r *commitRows) addEnd(end api.PodEnd) error {
	exit, err := exitText(end.Event.Exit)
	if err != nil {
		return err
	}
	r.touched.pods[end.Key] = true
	e := &r.ends
	e.Owners = append(e.Owners, int64(end.Key.Owner))
	e.Indices = append(e.Indices, end.Key.Index)
	e.Ranks = append(e.Ranks, end.Key.Rank)
	e.Attempts = append(e.Attempts, end.Key.Attempt)
	e.States = append(e.States, string(end.Event.State))
	e.EndedAt = append(e.EndedAt, instant(end.Event.At))
	e.Exits = append(e.Exits, exit)
	return nil
}

func (r *commitRows) addStop(order api.PodStopOrder) error {
	stop, err := jsonText(order.Stop)
	if err != nil {
		return err
	}
	r.touched.pods[order.Key] = true
	s := &r.stops
	s.Owners = append(s.Owners, int64(order.Key.Owner))
	s.Indices = append(s.Indices, order.Key.Index)
	s.Ranks = append(s.Ranks, order.Key.Rank)
	s.Attempts = append(s.Attempts, order.Key.Attempt)
	s.Stops = append(s.Stops, stop)
	return nil
}

func (r *commitRows) addIndex(job api.JobID, x api.JobIndex) error {
	excluded, err := jsonText(append([]string{}, x.ExcludedNodes...))
	if err != nil {
		return err
	}
	if x.RequeueSeen {
		r.seen.add(job, x.Ordinal)
	}
	i := &r.indices
	i.JobIds = append(i.JobIds, int64(job))
	i.Ordinals = append(i.Ordinals, x.Ordinal)
	i.Indices = append(i.Indices, x.Index)
	i.Ranks = append(i.Ranks, x.Rank)
	i.TaskIds = append(i.TaskIds, int64(x.TaskID))
	i.Attempts = append(i.Attempts, x.Attempt)
	i.Retries = append(i.Retries, x.Retries)
	i.NotBefore = append(i.NotBefore, instantOf(x.NotBefore))
	i.Excluded = append(i.Excluded, excluded)
	return nil
}

func (r *commitRows) addVerdict(job api.JobID, d api.DependencySettled) {
	verdict := "failed"
	if d.Met {
		verdict = "met"
	}
	v := &r.verdicts
	v.JobIds = append(v.JobIds, int64(job))
	v.Positions = append(v.Positions, int16(d.Position))
	v.Verdicts = append(v.Verdicts, verdict)
}

// queue queues the statements that have rows, in an order that the constraints allow: a pod ends,
// is released, and only then its instance is bound again.
func (r *commitRows) queue(ctx context.Context, q *db.Queries, term int64) error {
	steps := []struct {
		rows int
		do   func() error
	}{
		{len(r.ends.Owners), func() error { return q.CommitEnds(ctx, r.ends) }},
		{r.releases.len(), func() error { return q.CommitReleases(ctx, r.releaseParams()) }},
		{len(r.stops.Owners), func() error { return q.CommitStops(ctx, r.stops) }},
		{len(r.binds.Owners), func() error { return q.CommitBinds(ctx, r.bindParams(term)) }},
		{
			len(r.dropped.jobs),
			func() error { return q.CommitDroppedIndices(ctx, r.dropped.jobs, r.dropped.ordinals) },
		},
		{len(r.indices.JobIds), func() error { return q.CommitIndices(ctx, r.indices) }},
		{len(r.seen.jobs), func() error { return q.CommitRequeuesSeen(ctx, r.seen.jobs, r.seen.ordinals) }},
		{len(r.verdicts.JobIds), func() error { return q.CommitDependencies(ctx, r.verdicts) }},
		{len(r.status.Ids), func() error { return q.CommitStatus(ctx, r.status) }},
		{len(r.nodes.Names), func() error { return q.CommitNodes(ctx, r.nodes) }},
		{len(r.events.Ats), func() error { return q.AddEvents(ctx, r.events) }},
		{len(r.mails.JobIds), func() error { return q.CommitMails(ctx, r.mails) }},
	}
	for _, step := range steps {
		if step.rows == 0 {
			continue
		}
		if err := step.do(); err != nil {
			return err
		}
	}
	return nil
}

func (r *commitRows) bindParams(term int64) db.CommitBindsParams {
	r.binds.Term, r.binds.BoundAt = term, r.now
	return r.binds
}

func (r *commitRows) releaseParams() db.CommitReleasesParams {
	k := r.releases
	return db.CommitReleasesParams{
		ReleasedAt: r.now, Owners: k.owners, Indices: k.indices, Ranks: k.ranks, Attempts: k.attempts,
	}
}
