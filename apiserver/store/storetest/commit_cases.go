package storetest

import (
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coxswain-hpc/coxswain/api"
)

func commitStored(b *bench) {
	job, n, term := b.submit("0-9"), b.node("n1"), b.lead()
	c := b.cursor()
	u := b.unit(job.ID)
	u.NodeGenerations = map[string]int64{"n1": n.Generation}
	p := pod(key(job.ID, 3, 1), "n1")
	p.TaskID = job.ID + 100
	bind(&u, p)
	u.Status.Message = "some wait"
	u.Status.Released = api.Ranges{{From: 1, To: 2}, {From: 5, To: 8}}
	u.Status.ExitCode = 137
	u.Status.EligibleAt = new(noon.Add(-time.Minute))
	u.Status.Restarts = 2
	u.RequeueServed = 4
	x := api.JobIndex{
		Instance: p.Key.Instance, Ordinal: 3, TaskID: p.TaskID, Attempt: 1, Retries: 1,
		NotBefore: new(noon.Add(time.Hour)), ExcludedNodes: []string{"n7", "n8"},
	}
	u.Indices = []api.JobIndex{x}
	u.Events = []api.Event{
		{At: noon, Kind: api.KindJob, Object: job.ID.String(), Message: "placed", Actor: "leader"},
	}
	result, err := b.Commit(b.ctx, term, api.Commit{
		Now: noon, Jobs: []api.JobCommit{u},
		Nodes: []api.NodeStateChange{{Name: "n1", State: api.NodeSuspect, Since: noon.Add(time.Second)}},
	})
	b.ok(err)
	require.Empty(b.t, result.Refused)

	rec, pods := b.record(job.ID)
	require.Equal(b.t, u.Status, rec.Job.Status)
	require.Equal(b.t, int64(1), rec.Job.Generation, "status raises no generation")
	require.Equal(b.t, int64(4), rec.RequeueServed)
	require.Equal(b.t, []api.JobIndex{x}, rec.Indices)
	p.Term, p.TimeLimitSeconds = term, 3600
	require.Equal(b.t, []api.Pod{p}, pods)

	got := b.changes(c)
	require.Equal(b.t, []api.Pod{p}, got.Pods)
	require.Equal(b.t, []api.JobRecord{rec}, got.Jobs)
	require.Len(b.t, got.Nodes, 1)
	require.Equal(b.t, api.NodeSuspect, got.Nodes[0].Status.State)
	require.Equal(b.t, noon.Add(time.Second), got.Nodes[0].Status.Since)
	require.Equal(b.t, n.Generation, got.Nodes[0].Generation, "the state raises no generation")
}

func refusedByJob(b *bench) {
	cancelled, kept, term := b.submit(""), b.submit(""), b.lead()
	b.node("n1")
	one, two := b.unit(cancelled.ID), b.unit(kept.ID)
	bind(&one, pod(key(cancelled.ID, api.NoIndex, 1), "n1"))
	bind(&two, pod(key(kept.ID, api.NoIndex, 1), "n1"))
	gone := two
	gone.ID = kept.ID + 1000
	b.ok(b.CancelJob(b.ctx, cancelled.ID, nil, "ada", noon))

	require.Equal(b.t, []api.JobID{cancelled.ID, gone.ID}, b.commit(term, one, two, gone).Refused)
	rec, pods := b.record(cancelled.ID)
	require.Empty(b.t, pods)
	require.Equal(b.t, api.JobPending, rec.Job.Status.State)
	rec, pods = b.record(kept.ID)
	require.Len(b.t, pods, 1)
	require.Equal(b.t, api.JobRunning, rec.Job.Status.State)
}

func refusedByNode(b *bench) {
	job, n, term := b.submit(""), b.node("n1"), b.lead()
	u := b.unit(job.ID)
	u.NodeGenerations = map[string]int64{"n1": n.Generation}
	bind(&u, pod(key(job.ID, api.NoIndex, 1), "n1"))
	cordon := func(sp *api.NodeSpec) error { sp.Unschedulable = true; return nil }
	_, err := b.UpdateNodeSpec(b.ctx, "n1", 9, noon, cordon)
	b.fails(err, api.CodeConflict)
	n, err = b.UpdateNodeSpec(b.ctx, "n1", n.Generation, noon, cordon)
	b.ok(err)

	require.Equal(b.t, []api.JobID{job.ID}, b.commit(term, u).Refused)
	u.NodeGenerations = map[string]int64{"n1": n.Generation, "never heard of": 1}
	require.Equal(b.t, []api.JobID{job.ID}, b.commit(term, u).Refused)
	u.NodeGenerations = map[string]int64{"n1": n.Generation}
	b.commitAll(term, u)
}

func oneLivePod(b *bench) {
	job, term := b.submit("0-9"), b.lead()
	b.node("n1")
	b.bound(term, key(job.ID, 3, 1), "n1")
	u := b.unit(job.ID)
	u.Binds = []api.Pod{pod(key(job.ID, 4, 1), "n1"), pod(key(job.ID, 3, 2), "n1")}

	require.Equal(b.t, []api.JobID{job.ID}, b.commit(term, u).Refused)
	require.Equal(b.t, key(job.ID, 3, 1), b.livePod(job.ID).Key)

	u.Binds = []api.Pod{pod(key(job.ID, 5, 1), "n1"), pod(key(job.ID, 5, 2), "n1")}
	require.Equal(b.t, []api.JobID{job.ID}, b.commit(term, u).Refused, "not within one unit either")
}

func retryInOneUnit(b *bench) {
	job, term := b.submit(""), b.lead()
	b.node("n1")
	first := key(job.ID, api.NoIndex, 1)
	b.bound(term, first, "n1")
	b.report("n1", api.PodReport{Key: first, State: api.PodStartFailed, At: noon})

	u := b.unit(job.ID)
	u.Releases = []api.PodKey{first}
	u.Binds = []api.Pod{pod(key(job.ID, api.NoIndex, 2), "n1")}
	b.commitAll(term, u)
	require.Equal(b.t, int32(2), b.livePod(job.ID).Key.Attempt)
}

func endStopRelease(b *bench) {
	job, term := b.submit("0-2"), b.lead()
	b.node("n1")
	k := key(job.ID, 0, 1)
	b.bound(term, k, "n1")
	stop := api.PodStop{State: api.PodCancelled, Reason: api.ReasonCancelled, GraceSeconds: 30, By: "ada"}
	u := b.unit(job.ID)
	u.Stops = []api.PodStopOrder{{Key: k, Stop: stop}}
	b.commitAll(term, u)
	require.Equal(b.t, &stop, b.livePod(job.ID).Stop)

	c := b.cursor()
	u = b.unit(job.ID)
	exit := &api.PodExit{Reason: api.ReasonNodeLost, Message: "n1 is gone"}
	u.Ends = []api.PodEnd{
		{Key: k, Event: api.PodEvent{State: api.PodNodeFailed, At: noon.Add(time.Hour), Exit: exit}},
	}
	u.Releases = []api.PodKey{k}
	b.commitAll(term, u)
	_, pods := b.record(job.ID)
	require.Empty(b.t, pods)
	got := b.changes(c).Pods
	require.Len(b.t, got, 1)
	require.Equal(b.t, api.PodNodeFailed, got[0].State)
	require.Equal(b.t, noon.Add(time.Hour), *got[0].EndedAt)
	require.Equal(b.t, noon, *got[0].ReleasedAt)
	require.Equal(b.t, exit, got[0].Exit)

	require.Equal(b.t, []api.PodKey{k}, b.report("n1", completed(k)), "the end stands")
}

func droppedIndices(b *bench) {
	job, term := b.submit("0-9"), b.lead()
	u := b.unit(job.ID)
	for i := range int64(3) {
		u.Indices = append(u.Indices, api.JobIndex{
			Instance: api.Instance{Owner: job.ID, Index: i}, Ordinal: i, Attempt: 1,
		})
	}
	b.commitAll(term, u)
	b.ok(b.HoldIndices(b.ctx, job.ID, api.Ranges{{From: 2, To: 3}}, true, noon))

	u = b.unit(job.ID)
	u.DroppedIndices = []int64{0, 1, 8}
	u.Indices = []api.JobIndex{{Instance: api.Instance{Owner: job.ID, Index: 2}, Ordinal: 2, Attempt: 2}}
	b.commitAll(term, u)
	rec, _ := b.record(job.ID)
	require.Len(b.t, rec.Indices, 1)
	require.Equal(b.t, int32(2), rec.Indices[0].Attempt)
	require.True(b.t, rec.Indices[0].Hold, "the leader does not write what users wish")
}

func fenced(b *bench) {
	job, old := b.submit(""), b.lead()
	b.node("n1")
	u := b.unit(job.ID)
	b.ok(b.Renew(b.ctx, old))
	row, err := b.Leader(b.ctx)
	b.ok(err)
	require.Equal(b.t, api.LeaderRow{Term: old, Holder: "test", Beat: 1}, row)

	term := b.lead()
	require.Equal(b.t, old+1, term)
	_, err = b.Commit(b.ctx, old, api.Commit{Jobs: []api.JobCommit{u}, Now: noon})
	b.fails(err, api.CodeNotLeader)
	_, err = b.TakeIDs(b.ctx, old, 3)
	b.fails(err, api.CodeNotLeader)
	b.fails(b.Renew(b.ctx, old), api.CodeNotLeader)

	finish(&u, api.JobCancelled)
	b.commitAll(term, u)
	b.ok(b.Renew(b.ctx, term))
}

func oneWinner(b *bench) {
	row, err := b.Leader(b.ctx)
	b.ok(err)
	wins := make(chan bool)
	const contenders = 4
	for range contenders {
		go func() {
			_, ok, err := b.TakeOver(b.ctx, row.Term, "one of them")
			wins <- ok && err == nil
		}()
	}
	won := 0
	for range contenders {
		if <-wins {
			won++
		}
	}
	require.Equal(b.t, 1, won)
	after, err := b.Leader(b.ctx)
	b.ok(err)
	require.Equal(b.t, api.LeaderRow{Term: row.Term + 1, Holder: "one of them"}, after)
}

func takenIDs(b *bench) {
	term, seen := b.lead(), map[api.JobID]bool{}
	for _, n := range []int{1, 5, 64} {
		job := b.submit("")
		first, err := b.TakeIDs(b.ctx, term, n)
		b.ok(err)
		for i := range n + 1 {
			id := first + api.JobID(i)
			if i == n {
				id = job.ID
			}
			require.False(b.t, seen[id], "%d was given twice", id)
			seen[id] = true
		}
	}
}
