package store_test

import (
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coxswain-hpc/coxswain/api"
)

// bindUnit binds the job's only instance.
func bindUnit(job api.Job) api.JobCommit {
	key := api.PodKey{Instance: api.Instance{Owner: job.ID, Index: api.NoIndex}, Attempt: 1}
	status := job.Status
	status.State, status.StartedAt = api.JobRunning, &status.SubmittedAt
	status.Waiting, status.Counts = nil, api.JobCounts{Live: 1}
	return api.JobCommit{
		ID: job.ID, Generation: job.Generation, Status: status,
		Binds: []api.Pod{{Key: key, TaskID: job.ID, Role: "main", Node: "n1", Class: api.ClassBurstable}},
	}
}

// Users cancel while the leader binds: each unit is applied or refused as a whole, and no unit
// that was decided before a cancel is applied after it.
func TestCommitRacesWithCancel(t *testing.T) {
	t.Parallel()
	s := open(t)
	ctx, term := t.Context(), lead(t, s)
	const rounds, jobsPerRound = 10, 8
	for range rounds {
		var units []api.JobCommit
		for range jobsPerRound {
			units = append(units, bindUnit(submit(t, s, spec())))
		}
		var users sync.WaitGroup
		for _, u := range units {
			users.Go(func() {
				if err := s.CancelJob(ctx, u.ID, nil, "ada", noon); err != nil {
					t.Error(err)
				}
			})
		}
		result, err := s.Commit(ctx, term, api.Commit{Jobs: units, Now: noon})
		require.NoError(t, err)
		users.Wait()
		for _, u := range units {
			recs, pods, err := s.Jobs(ctx, []api.JobID{u.ID})
			require.NoError(t, err)
			require.True(t, recs[0].CancelWanted)
			require.Equal(t, int64(2), recs[0].Job.Generation)
			refused := slices.Contains(result.Refused, u.ID)
			require.Equal(t, refused, len(pods) == 0)
			require.Equal(
				t, refused, recs[0].Job.Status.State == api.JobPending, "a unit is applied as a whole",
			)
		}
	}
}

// Reports come in one order while the leader stops the same pods in another: a deadlock is
// resolved inside, and nothing is lost.
func TestReportsRaceWithStops(t *testing.T) {
	t.Parallel()
	s := open(t)
	ctx, term := t.Context(), lead(t, s)
	var stops []api.JobCommit
	var reports []api.PodReport
	for range 30 {
		job := submit(t, s, spec())
		unit := bindUnit(job)
		_, err := s.Commit(ctx, term, api.Commit{Jobs: []api.JobCommit{unit}, Now: noon})
		require.NoError(t, err)
		key := unit.Binds[0].Key
		unit.Binds = nil
		unit.Stops = []api.PodStopOrder{{Key: key, Stop: api.PodStop{State: api.PodCancelled}}}
		stops = append(stops, unit)
		reports = append(reports, api.PodReport{Key: key, State: api.PodRunning, At: noon})
	}
	slices.Reverse(stops)
	var node sync.WaitGroup
	node.Go(func() {
		stale, err := s.ApplyReports(ctx, "n1", reports, noon)
		if err != nil || len(stale) > 0 {
			t.Errorf("reports: %v, stale %v", err, stale)
		}
	})
	_, err := s.Commit(ctx, term, api.Commit{Jobs: stops, Now: noon})
	require.NoError(t, err)
	node.Wait()
	for _, r := range reports {
		pods, err := s.PodsByKeys(ctx, []api.PodKey{r.Key})
		require.NoError(t, err)
		require.Equal(t, api.PodRunning, pods[0].State)
		require.NotNil(t, pods[0].Stop)
	}
}

// Admins make each another partition the default at the same time.
func TestOneDefaultPartition(t *testing.T) {
	t.Parallel()
	s := open(t)
	ctx := t.Context()
	var admins sync.WaitGroup
	for _, name := range []string{"a", "b", "c", "d", "e", "f"} {
		admins.Go(func() {
			_, err := s.PutPartition(ctx, name, 0, api.PartitionSpec{Default: true}, noon)
			if code := api.CodeOf(err); err != nil && code != api.CodeConflict {
				t.Error(err)
			}
		})
	}
	admins.Wait()
	list, err := s.ListPartitions(ctx, "", 0)
	require.NoError(t, err)
	defaults := 0
	for _, p := range list {
		if p.Spec.Default {
			defaults++
		}
	}
	require.Equal(t, 1, defaults)
}
