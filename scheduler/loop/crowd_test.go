package loop

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coxswain-hpc/coxswain/api"
)

// every is each step-th ordinal below n.
func every(step, n int64) api.Ranges {
	var list []api.Range
	for o := int64(0); o < n; o += step {
		list = append(list, api.Range{From: o, To: o + 1})
	}
	return api.RangesOf(list...)
}

func requireStorable(t *testing.T, u api.JobCommit) {
	t.Helper()
	require.LessOrEqual(t, len(u.Status.Waiting), api.RangesMax)
	require.LessOrEqual(t, len(u.Status.Released), api.RangesMax)
	c := u.Status.Counts
	require.Equal(t, c.Waiting, u.Status.Waiting.Len())
}

// dispatch takes the lowest allowed ordinals of a settled job away, as binds do.
func dispatch(rec *api.JobRecord, u api.JobCommit, allowed api.Ranges, n int64) {
	taken, _ := allowed.TakeLowest(n)
	rec.Job.Status = u.Status
	rec.Job.Status.Waiting = u.Status.Waiting.Minus(taken)
	rec.Job.Status.Counts.Waiting -= taken.Len()
	rec.Job.Status.Counts.Live += taken.Len()
}

func TestCancelOfEverySecondTaskGoesOnAsDispatchMakesRoom(t *testing.T) {
	t.Parallel()
	rec := record("0-49999", 0, func(r *api.JobRecord) {
		every(2, 50_000).Each(func(o int64) bool {
			r.Indices = append(r.Indices, api.JobIndex{
				Instance: api.Instance{Owner: 1, Index: o}, Ordinal: o, CancelWanted: true,
			})
			return true
		})
	})
	for range 20 {
		u, ok := settle(rec, facts{now: noon})
		if !ok {
			break
		}
		requireStorable(t, u)
		rec.Indices = mergeRows(rec.Indices, u)
		dispatch(&rec, u, u.Status.Waiting, 4000)
	}
	require.EqualValues(t, 25_000, rec.Job.Status.Counts.Cancelled)
	require.Empty(t, rec.Indices)
}

func TestReleasesByTaskGoOnAsDispatchMakesRoom(t *testing.T) {
	t.Parallel()
	completed := every(2, 50_000)
	rec := record("0-49999", 0, func(r *api.JobRecord) {
		r.Dependencies = []api.DependencyState{{
			Dependency: api.Dependency{Kind: api.DependencyAfterCorr, On: 9, OnIndex: api.NoIndex},
			OnState:    api.JobFailed,
		}}
	})
	for range 30 {
		u, ok := settle(rec, facts{now: noon, released: map[int]api.Ranges{0: completed}})
		if !ok {
			break
		}
		requireStorable(t, u)
		for _, d := range u.Dependencies {
			rec.Dependencies[d.Position].Met, rec.Dependencies[d.Position].Failed = d.Met, !d.Met
		}
		dispatch(&rec, u, u.Status.Waiting.Intersect(u.Status.Released), 4000)
	}
	c := rec.Job.Status.Counts
	require.EqualValues(t, 25_000, c.Live, "each task whose counterpart completed goes")
	require.EqualValues(t, 25_000, c.Cancelled, "each other one is cancelled")
}

func TestAnEndedTaskWaitsToBeSettledWhileItsJobIsCrowded(t *testing.T) {
	t.Parallel()
	rec := record("0-99999", 0, func(r *api.JobRecord) {
		r.Job.Status.Waiting = every(4, 4*api.RangesMax)
		r.Job.Status.Counts = api.JobCounts{Waiting: api.RangesMax, Live: 2, Completed: 100_000 - api.RangesMax - 2}
	})
	pods := []api.Pod{
		pod("0-99999", 50_000, 1, api.PodNodeFailed, nil), pod("0-99999", 50_002, 1, api.PodCompleted, &api.PodExit{}),
	}
	u, ok := settle(rec, facts{now: noon, pods: pods})
	require.True(t, ok)
	requireStorable(t, u)
	require.Len(t, u.Releases, 1, "the one that ended for good")
	rec.Job.Status = u.Status
	rec.Job.Status.Waiting = u.Status.Waiting.Remove(0)
	u, ok = settle(rec, facts{now: noon, pods: pods[:1]})
	require.True(t, ok)
	require.True(t, u.Status.Waiting.Has(50_000))
}

func TestBindsKeepTheWaitingSetStorable(t *testing.T) {
	t.Parallel()
	waiting := every(4, 4*(api.RangesMax-1)).Union(api.Ranges{{From: 60_000, To: 90_000}})
	binds := []api.Bind{
		{Ordinal: 70_000},
		{Ordinal: 70_000, Rank: 1},
		{Ordinal: 60_000},
		{Ordinal: 60_001},
		{Ordinal: 8},
		{Ordinal: 70_001},
	}
	require.Equal(t, []api.Bind{{Ordinal: 60_000}, {Ordinal: 60_001}, {Ordinal: 8}, {Ordinal: 70_001}},
		placeable(waiting, binds))
	require.Equal(t, binds, placeable(api.Ranges{{From: 0, To: 90_000}}, binds))
}
