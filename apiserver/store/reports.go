package store

import (
	"context"
	"slices"
	"time"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/apiserver/store/internal/db"
)

// ApplyReports stores facts about pods of the node, in one statement. Repeated facts change
// nothing. It returns the attempts whose reports make no sense (any more): the pod is not the
// node's, or has ended otherwise.
func (s *Store) ApplyReports(
	ctx context.Context, node string, reports []api.PodReport, now time.Time,
) (stale []api.PodKey, err error) {
	folded, stale := foldReports(reports)
	if len(folded) == 0 {
		return stale, nil
	}
	params, err := reportParams(node, folded, now)
	if err != nil {
		return nil, interpretError("store reports", err)
	}
	var rows []db.ApplyReportsRow
	for range txTries {
		if rows, err = s.q.ApplyReports(ctx, params); !isRetryable(err) {
			break
		}
	}
	if err != nil {
		return nil, interpretError(what("store reports of node %s", node), err)
	}
	s.Ring()
	for _, r := range rows {
		stale = append(stale, podKey(r.Owner, r.Idx, r.Rank, r.Attempt))
	}
	slices.SortFunc(stale, comparePodKeys)
	return slices.Compact(stale), nil
}

// foldReports makes one report a pod of a batch: its last state, with the start of an earlier one.
// A later report that the state machine doesn't allow after an earlier one is stale.
func foldReports(reports []api.PodReport) (folded []api.PodReport, stale []api.PodKey) {
	at := map[api.PodKey]int{}
	for _, r := range reports {
		if r.State == api.PodRunning && r.StartedAt == nil {
			started := r.At
			r.StartedAt = &started
		}
		i, seen := at[r.Key]
		if !seen {
			at[r.Key] = len(folded)
			folded = append(folded, r)
			continue
		}
		before := &folded[i]
		switch {
		case before.State == r.State:
		case before.State.CanStep(r.State):
			if r.StartedAt == nil {
				r.StartedAt = before.StartedAt
			}
			*before = r
		default:
			stale = append(stale, r.Key)
		}
	}
	return folded, stale
}

func reportParams(node string, reports []api.PodReport, now time.Time) (db.ApplyReportsParams, error) {
	p := db.ApplyReportsParams{Node: node, At: instant(now)}
	p.EdgesFrom, p.EdgesTo = podEdges()
	for _, r := range reports {
		exit, err := exitText(r.Exit)
		if err != nil {
			return p, err
		}
		ended := time.Time{}
		if r.State.Ended() {
			ended = instant(r.At)
		}
		p.Owners = append(p.Owners, int64(r.Key.Owner))
		p.Indices = append(p.Indices, r.Key.Index)
		p.Ranks = append(p.Ranks, r.Key.Rank)
		p.Attempts = append(p.Attempts, r.Key.Attempt)
		p.States = append(p.States, string(r.State))
		p.EndedAt = append(p.EndedAt, ended)
		p.StartedAt = append(p.StartedAt, instantOf(r.StartedAt))
		p.Exits = append(p.Exits, exit)
	}
	return p, nil
}

// podEdges is the pod's state machine as SQL takes it: api alone says what may follow what.
func podEdges() (from, to []string) {
	for _, f := range api.PodStates() {
		for _, t := range api.PodStates() {
			if f.CanStep(t) {
				from, to = append(from, string(f)), append(to, string(t))
			}
		}
	}
	return from, to
}
