package store

import (
	"context"
	"slices"
	"time"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/apiserver/store/internal/db"
)

// reportsBatch bounds the reports of one statement, and so the time that it holds its locks.
const reportsBatch = 500

// ApplyReports stores facts about pods of the node, in one statement a batch. Repeated facts change
// nothing. It returns the attempts whose reports make no sense (any more): the pod is not the
// node's, or has ended otherwise.
func (s *Store) ApplyReports(
	ctx context.Context, node string, reports []api.PodReport, now time.Time,
) (stale []api.PodKey, err error) {
	folded, stale := foldReports(reports)
	for batch := range slices.Chunk(folded, reportsBatch) {
		more, err := s.applyBatch(ctx, node, batch, now)
		if err != nil {
			return nil, interpretError(what("store reports of node %s", node), err)
		}
		stale = append(stale, more...)
	}
	slices.SortFunc(stale, comparePodKeys)
	return slices.Compact(stale), nil
}

// applyBatch stores one batch and rings the bell.
func (s *Store) applyBatch(
	ctx context.Context, node string, batch []api.PodReport, now time.Time,
) (stale []api.PodKey, err error) {
	params, err := reportParams(node, batch, now)
	if err != nil {
		return nil, err
	}
	var rows []db.ApplyReportsRow
	for range txTries {
		if rows, err = s.q.ApplyReports(ctx, params); !isRetryable(err) {
			break
		}
	}
	if err != nil {
		return nil, err //nolint:wrapcheck // ApplyReports interprets it
	}
	s.Ring()
	return staleOf(batch, rows), nil
}

// staleOf lists the reports that the statement refused, or that name no pod of the node.
func staleOf(batch []api.PodReport, rows []db.ApplyReportsRow) (stale []api.PodKey) {
	fine := map[api.PodKey]bool{}
	for _, r := range rows {
		fine[podKey(r.Owner, r.Idx, r.Rank, r.Attempt)] = !r.Stale
	}
	for _, r := range batch {
		if !fine[r.Key] {
			stale = append(stale, r.Key)
		}
	}
	return stale
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
