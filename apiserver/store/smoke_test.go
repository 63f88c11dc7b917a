package store_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coxswain-hpc/coxswain/api"
)

func TestSmoke(t *testing.T) {
	t.Parallel()
	s := open(t)
	ctx := t.Context()
	require.NoError(t, s.EnsureDefaults(ctx, noon))
	c := cursor(t, s)
	sp := spec()
	sp.Array = "0-9"
	job := submit(t, s, sp)
	got, err := s.GetJob(ctx, job.ID)
	require.NoError(t, err)
	require.Equal(t, job, got)
	_, err = s.RegisterNode(ctx, "n1", api.NodeStatus{BootID: "b"}, noon)
	require.NoError(t, err)
	term := lead(t, s)
	w, err := s.Load(ctx)
	require.NoError(t, err)
	require.Len(t, w.Jobs, 1)
	ch, err := s.Changes(ctx, c)
	require.NoError(t, err)
	require.Len(t, ch.Jobs, 1)
	require.Len(t, ch.Nodes, 1)
	id, err := s.TakeIDs(ctx, term, 5)
	require.NoError(t, err)
	key := api.PodKey{Instance: api.Instance{Owner: job.ID, Index: 3}, Attempt: 1}
	st := job.Status
	st.State = api.JobRunning
	now := noon
	st.StartedAt = &now
	st.Waiting = st.Waiting.Remove(3)
	res, err := s.Commit(ctx, term, api.Commit{Now: noon, Jobs: []api.JobCommit{{
		ID: job.ID, Generation: 1, NodeGenerations: map[string]int64{"n1": 1}, Status: st,
		Binds: []api.Pod{{Key: key, Ordinal: 3, TaskID: id, Role: "main", Node: "n1", Class: api.ClassGuaranteed}},
		Indices: []api.JobIndex{{Instance: key.Instance, Ordinal: 3, TaskID: id, Attempt: 1}},
		Events: []api.Event{{At: noon, Kind: api.KindJob, Object: "1", Message: "bound"}},
	}}})
	require.NoError(t, err)
	require.Empty(t, res.Refused)
	pods, err := s.NodePods(ctx, "n1")
	require.NoError(t, err)
	require.Len(t, pods, 1)
	_, err = s.Template(ctx, pods[0].Template)
	require.NoError(t, err)
	stale, err := s.ApplyReports(ctx, "n1", []api.PodReport{{Key: key, State: api.PodRunning, At: noon}}, noon)
	require.NoError(t, err)
	require.Empty(t, stale)
	require.NoError(t, s.CancelJob(ctx, job.ID, nil, "ada", noon))
	require.NoError(t, s.RunKeeper(ctx, noon))
}
