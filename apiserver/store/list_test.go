package store_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/apiserver/store"
)

// Any filter, read page by page, gives what the same filter gives on a list in memory.
func TestListJobsAgainstAModel(t *testing.T) {
	t.Parallel()
	s := open(t)
	var all []api.Job
	for i := range 24 {
		sp := spec()
		sp.Owner.User = []string{"ada", "bob"}[i%2]
		sp.Name = []string{"x", "y", "z"}[i%3]
		sp.Partition = []string{"cpu", "gpu"}[i/12]
		all = append(all, submit(t, s, sp))
	}
	slices.Reverse(all)
	rapid.Check(t, func(rt *rapid.T) {
		f := store.JobFilter{
			User:      rapid.SampledFrom([]string{"", "ada", "bob", "eve"}).Draw(rt, "user"),
			Name:      rapid.SampledFrom([]string{"", "x", "y"}).Draw(rt, "name"),
			Partition: rapid.SampledFrom([]string{"", "cpu", "gpu"}).Draw(rt, "partition"),
			States: rapid.SampledFrom([][]api.JobState{nil, {api.JobPending}, {api.JobRunning}}).Draw(
				rt, "states",
			),
			IDs:   rapid.SampledFrom([][]api.JobID{nil, {1, 2, 3, 9}}).Draw(rt, "ids"),
			Limit: rapid.IntRange(1, 30).Draw(rt, "limit"),
		}
		if rapid.Bool().Draw(rt, "by end") {
			ended := rapid.Bool().Draw(rt, "ended")
			f.Ended = &ended
		}
		var want, got []api.Job
		for _, job := range all {
			if matches(f, job) {
				want = append(want, job)
			}
		}
		for range len(all) + 1 {
			page, next, err := s.ListJobs(t.Context(), f)
			require.NoError(rt, err)
			got = append(got, page...)
			if f.Page = next; next == "" {
				break
			}
		}
		require.Equal(rt, want, got)
	})
}

func matches(f store.JobFilter, job api.Job) bool {
	return (f.User == "" || f.User == job.Spec.Owner.User) && (f.Name == "" || f.Name == job.Spec.Name) &&
		(f.Partition == "" || f.Partition == job.Spec.Partition) &&
		(f.States == nil || slices.Contains(f.States, job.Status.State)) &&
		(f.IDs == nil || slices.Contains(f.IDs, job.ID)) && (f.Ended == nil || !*f.Ended)
}

func TestListPods(t *testing.T) {
	t.Parallel()
	s := open(t)
	ctx := t.Context()
	sp := spec()
	sp.Array = "0-9"
	job, term := submit(t, s, sp), lead(t, s)
	unit := api.JobCommit{ID: job.ID, Generation: 1, Status: job.Status}
	var keys []api.PodKey
	for i := range int64(10) {
		k := api.PodKey{Instance: api.Instance{Owner: job.ID, Index: i}, Attempt: 1}
		keys = append(keys, k)
		unit.Binds = append(unit.Binds, api.Pod{
			Key: k, Ordinal: i, TaskID: 100 + api.JobID(i), Role: "main", Node: []string{"n1", "n2"}[i%2],
			Class: api.ClassBurstable,
		})
	}
	_, err := s.Commit(ctx, term, api.Commit{Jobs: []api.JobCommit{unit}, Now: noon})
	require.NoError(t, err)

	var got []api.PodKey
	f := store.PodFilter{Owner: job.ID, Limit: 3}
	for {
		pods, next, err := s.ListPods(ctx, f)
		require.NoError(t, err)
		for _, p := range pods {
			got = append(got, p.Key)
		}
		if f.Page = next; next == "" {
			break
		}
	}
	require.Equal(t, keys, got)
	yes, index := true, int64(4)
	for want, f := range map[int]store.PodFilter{
		5:  {Node: "n1", Live: &yes},
		10: {User: "ada"},
		1:  {Owner: job.ID, Index: &index},
		0:  {User: "eve"},
	} {
		pods, _, err := s.ListPods(ctx, f)
		require.NoError(t, err)
		require.Len(t, pods, want)
	}
	_, _, err = s.ListPods(ctx, store.PodFilter{Page: "nonsense"})
	require.Equal(t, api.CodeInvalid, api.CodeOf(err))
	task, err := s.JobByTask(ctx, 107)
	require.NoError(t, err)
	require.Equal(t, keys[7].Instance, task)
	_, err = s.JobByTask(ctx, 99)
	require.ErrorIs(t, err, api.ErrNotFound)
}
