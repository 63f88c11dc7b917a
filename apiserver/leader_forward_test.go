package apiserver_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/apiserver"
)

// follower is a scheduler that does not lead.
type follower struct{}

func (follower) Explain(context.Context, api.JobID, int64) (api.Explanation, error) {
	return api.Explanation{}, api.ErrNotLeader
}

func (follower) CheckFeasible(context.Context, api.JobSpec) error { return nil }

// allKnowing is a scheduler that leads.
type allKnowing struct{}

func (allKnowing) Explain(_ context.Context, id api.JobID, index int64) (api.Explanation, error) {
	return api.Explanation{Job: id, Index: index, Summary: "the leader knows", At: time.Now()}, nil
}

func (allKnowing) CheckFeasible(_ context.Context, spec api.JobSpec) error {
	if spec.Roles[0].Template.Main().Requests.CPUMillis > 64_000 {
		return api.Errorf(api.CodeImpossible, "no node has so many CPUs")
	}
	return nil
}

func TestWhatOnlyTheLeaderKnows(t *testing.T) {
	t.Parallel()
	b := setup(t, func(o *apiserver.Options) {
		o.Explainer, o.Feasibility = follower{}, follower{}
	})
	leader := b.second(func(o *apiserver.Options) {
		o.Explainer, o.Feasibility, o.Leading = allKnowing{}, allKnowing{}, func() bool { return true }
	})
	job := b.submit(adaUID)
	why := func() string {
		var e api.Explanation
		b.as(adaUID, http.MethodGet, path(job.ID, "/why"), nil).into(http.StatusOK, &e)
		require.Equal(t, job.ID, e.Job)
		return e.Summary
	}
	require.NotEqual(t, "the leader knows", why(), "nobody leads yet")

	row, err := b.store.Leader(within(t))
	require.NoError(t, err)
	_, won, err := b.store.TakeOver(within(t), row.Term, "s2/run")
	require.NoError(t, err)
	require.True(t, won)
	require.Eventually(t, func() bool { return why() == "the leader knows" }, patience, 10*time.Millisecond)

	in := script()
	in.Spec.Roles[0].Template.Containers[0].Requests.CPUMillis = 65_000
	refused := b.as(adaUID, http.MethodPost, "/v1/jobs", in)
	refused.problem(api.CodeImpossible)
	require.Contains(t, string(refused.body), "no node has so many CPUs")
	leader.as(adaUID, http.MethodGet, "/v1/servers/explain/1?index=-1", nil).problem(api.CodeForbidden)
}

func TestAServerThatEndsWithdraws(t *testing.T) { //nolint:tparallel // the subtest has to end first
	t.Parallel()
	b := setup(t)
	ids := func() (out []string) {
		servers, err := b.store.ListServers(within(t))
		require.NoError(t, err)
		for _, s := range servers {
			out = append(out, s.ID)
		}
		return out
	}
	t.Run("second", func(t *testing.T) {
		other := *b
		other.t = t
		other.second()
		require.Eventually(t, func() bool { return len(ids()) == 2 }, patience, 10*time.Millisecond)
	})
	require.Equal(t, []string{"s1"}, ids())
}
