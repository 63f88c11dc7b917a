package memstore

import (
	"context"
	"slices"

	"github.com/coxswain-hpc/coxswain/api"
)

// Commit applies the leader's batch, fenced by its term. A unit whose job or nodes have another
// generation, whose job has ended, or which would give an instance a second live pod, is refused.
func (s *Store) Commit(_ context.Context, term int64, c api.Commit) (result api.CommitResult, err error) {
	err = s.write(func(t *touched) error {
		if err := s.fence(term); err != nil {
			return err
		}
		var units []api.JobCommit
		for _, u := range c.Jobs {
			if s.holds(u) {
				units = append(units, u)
			} else {
				result.Refused = append(result.Refused, u.ID)
			}
		}
		if err := s.check(units); err != nil {
			return err
		}
		for _, u := range units {
			s.apply(commitOf{Commit: c, term: term, touched: t}, u)
		}
		for _, n := range c.Nodes {
			s.setNodeState(n, term, t)
		}
		return nil
	})
	if err != nil {
		return api.CommitResult{}, err
	}
	return result, nil
}

// commitOf is a commit under way.
type commitOf struct {
	api.Commit
	term    int64
	touched *touched
}

func (s *Store) holds(u api.JobCommit) bool {
	row := s.jobs[u.ID]
	if row == nil || row.job.Status.State.Ended() || row.job.Generation != u.Generation {
		return false
	}
	for name, generation := range u.NodeGenerations {
		if n, has := s.nodes[name]; !has || n.Generation != generation {
			return false
		}
	}
	return s.instancesFree(u)
}

// instancesFree says whether no bind gives an instance a second live pod. One that the same unit
// releases is no hindrance.
func (s *Store) instancesFree(u api.JobCommit) bool {
	if len(u.Binds) == 0 {
		return true
	}
	taken := map[api.Instance]bool{}
	for key := range s.podsOf[u.ID] {
		if s.live[key] && !slices.Contains(u.Releases, key) {
			taken[key.Instance] = true
		}
	}
	for _, p := range u.Binds {
		if taken[p.Key.Instance] {
			return false
		}
		taken[p.Key.Instance] = true
	}
	return true
}

// check is what the constraints of the tables say on Postgres: the whole commit fails, since only a
// bug can break them.
func (s *Store) check(units []api.JobCommit) error {
	for _, u := range units {
		st := u.Status
		if (st.EndedAt != nil) != st.State.Ended() {
			return api.Errorf(api.CodeInternal, "job %d: state %s and its end time differ", u.ID, st.State)
		}
		for _, p := range u.Binds {
			if _, has := s.pods[p.Key]; has {
				return api.Errorf(api.CodeExists, "pod %s is bound a second time", p.Key)
			}
		}
		for _, key := range u.Releases {
			p, has := s.pods[key]
			ends := slices.ContainsFunc(u.Ends, func(e api.PodEnd) bool { return e.Key == key })
			if has && !p.State.Ended() && !ends {
				return api.Errorf(api.CodeInternal, "pod %s is released and has not ended", key)
			}
		}
	}
	return nil
}

func (s *Store) apply(c commitOf, u api.JobCommit) {
	c.touched.jobs[u.ID] = true
	for _, e := range u.Ends {
		s.endPod(c, e)
	}
	for _, key := range u.Releases {
		s.releasePod(c, key)
	}
	for _, o := range u.Stops {
		s.stopPod(c, o)
	}
	for _, p := range u.Binds {
		s.bindPod(c, p)
	}
	before := s.jobs[u.ID]
	row := before.clone()
	row.takeIndices(u)
	for _, d := range u.Dependencies {
		if own := &row.dependencies[d.Position]; !own.met && !own.failed {
			own.met, own.failed = d.Met, !d.Met
		}
	}
	row.takeStatus(u)
	s.jobs[u.ID] = row
	if row.job.Status.State.Ended() {
		delete(s.open, u.ID)
	}
	s.observeJob(before.record(), row, c.term)
}

func (s *Store) endPod(c commitOf, e api.PodEnd) {
	p, has := s.pods[e.Key]
	if !has || p.State.Ended() {
		return
	}
	p.State, p.EndedAt = e.Event.State, instantOf(&e.Event.At)
	if e.Event.Exit != nil {
		p.Exit = e.Event.Exit
	}
	s.putPod(p, c.term, c.touched)
}

func (s *Store) releasePod(c commitOf, key api.PodKey) {
	p, has := s.pods[key]
	if !has || p.ReleasedAt != nil {
		return
	}
	p.ReleasedAt = instantOf(&c.Now)
	delete(s.live, key)
	s.putPod(p, c.term, c.touched)
}

func (s *Store) stopPod(c commitOf, o api.PodStopOrder) {
	p, has := s.pods[o.Key]
	if !has || p.State.Ended() {
		return
	}
	p.Stop = &o.Stop
	s.putPod(p, c.term, c.touched)
}

func (s *Store) bindPod(c commitOf, p api.Pod) {
	p.State, p.Term, p.BoundAt = api.PodBound, c.term, instant(c.Now)
	p.StartedAt, p.EndedAt, p.ReleasedAt, p.Stop, p.Exit = nil, nil, nil, nil, nil
	s.live[p.Key] = true
	s.podsOf[p.Key.Owner][p.Key] = true
	s.putPod(p, c.term, c.touched)
}

func (s *Store) putPod(p api.Pod, term int64, t *touched) {
	before := s.pods[p.Key]
	s.pods[p.Key] = p
	t.pod(p)
	if s.options.Observer != nil {
		s.options.Observer.PodChanged(before, p, term)
	}
}

// takeIndices writes the leader's columns of the rows.
func (r *jobRow) takeIndices(u api.JobCommit) {
	for _, ordinal := range u.DroppedIndices {
		delete(r.indices, ordinal)
	}
	for _, x := range u.Indices {
		row := r.indices[x.Ordinal]
		row.Instance, row.Ordinal = x.Instance, x.Ordinal
		row.TaskID, row.Attempt, row.Retries = x.TaskID, x.Attempt, x.Retries
		row.NotBefore, row.ExcludedNodes = instantOf(x.NotBefore), emptyToNil(x.ExcludedNodes)
		if x.RequeueSeen {
			row.seen = row.wanted
		}
		r.indices[x.Ordinal] = row
	}
}

func emptyToNil(list []string) []string {
	if len(list) == 0 {
		return nil
	}
	return list
}

func (r *jobRow) takeStatus(u api.JobCommit) {
	submitted := r.job.Status.SubmittedAt
	st := u.Status
	st.SubmittedAt = submitted
	st.EligibleAt, st.StartedAt, st.EndedAt = instantOf(st.EligibleAt), instantOf(st.StartedAt), instantOf(st.EndedAt)
	if len(st.Waiting) == 0 {
		st.Waiting = nil
	}
	if len(st.Released) == 0 {
		st.Released = nil
	}
	r.job.Status, r.requeueServed = st, u.RequeueServed
}
