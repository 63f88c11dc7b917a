package storetest

import (
	"errors"
	"slices"

	"github.com/stretchr/testify/require"

	"github.com/coxswain-hpc/coxswain/api"
)

func submitted(b *bench) {
	first, second := b.submit(""), b.submit("0-999999:2%50")
	require.Positive(b.t, first.ID)
	require.Greater(b.t, second.ID, first.ID)

	require.Equal(b.t, int64(1), second.Generation)
	require.Equal(b.t, api.JobStatus{
		State: api.JobPending, Reason: api.ReasonSubmitted, SubmittedAt: noon,
		Waiting: api.Ranges{{From: 0, To: 500000}}, Counts: api.JobCounts{Waiting: 500000},
	}, second.Status)
	for _, job := range []api.Job{first, second} {
		got, err := b.GetJob(b.ctx, job.ID)
		b.ok(err)
		require.Equal(b.t, job, got)
	}
	_, err := b.GetJob(b.ctx, second.ID+1000)
	b.fails(err, api.CodeNotFound)
}

func repeatedRequest(b *bench) {
	p := params(spec(""))
	p.Submit.RequestID = "2f1d3f0a-9a55-4d6b-b7a5-0f3d3a7d1c11"
	job, existed, err := b.SubmitJob(b.ctx, p)
	b.ok(err)
	require.False(b.t, existed)

	again, existed, err := b.SubmitJob(b.ctx, p)
	b.ok(err)
	require.True(b.t, existed)
	require.Equal(b.t, job, again)

	p.Submit.Spec.Owner.User = "eve"
	_, _, err = b.SubmitJob(b.ctx, p)
	b.fails(err, api.CodeExists)
}

func updateGuarded(b *bench) {
	job := b.submit("")
	rename := func(sp *api.JobSpec) error { sp.Name = "renamed"; return nil }

	_, err := b.UpdateJobSpec(b.ctx, job.ID, 7, noon, rename)
	b.fails(err, api.CodeConflict)

	got, err := b.UpdateJobSpec(b.ctx, job.ID, 1, noon, rename)
	b.ok(err)
	require.Equal(b.t, int64(2), got.Generation)
	require.Equal(b.t, "renamed", got.Spec.Name)

	got, err = b.UpdateJobSpec(b.ctx, job.ID, 0, noon, rename)
	b.ok(err)
	require.Equal(b.t, int64(3), got.Generation, "0 is any generation")

	refuse := errors.New("no")
	_, err = b.UpdateJobSpec(b.ctx, job.ID, 0, noon, func(*api.JobSpec) error { return refuse })
	require.ErrorIs(b.t, err, refuse)
	stored, err := b.GetJob(b.ctx, job.ID)
	b.ok(err)
	require.Equal(b.t, got, stored)

	_, err = b.UpdateJobSpec(b.ctx, job.ID+1000, 0, noon, rename)
	b.fails(err, api.CodeNotFound)
}

// updateAfterBind: a node takes the limits of a pod from the job's spec, the leader's books have what
// was bound.
func updateAfterBind(b *bench) {
	job, term := b.submit(""), b.lead()
	b.node("n1")
	grow := func(sp *api.JobSpec) error {
		role := sp.Roles[0]
		role.Template.Containers = slices.Clone(role.Template.Containers)
		role.Template.Containers[0].Limits.MemoryBytes = 1 << 40
		sp.Roles = []api.Role{role}
		return nil
	}
	b.bound(term, key(job.ID, api.NoIndex, 1), "n1")
	_, err := b.UpdateJobSpec(b.ctx, job.ID, 0, noon, grow)
	b.fails(err, api.CodeConflict)
	_, err = b.UpdateJobSpec(b.ctx, job.ID, 0, noon, func(sp *api.JobSpec) error { sp.Comment = "c"; return nil })
	b.ok(err)
}

func endedIsFinal(b *bench) {
	job, term := b.submit("0-3"), b.lead()
	u := b.unit(job.ID)
	finish(&u, api.JobCancelled)
	b.commitAll(term, u)

	b.fails(b.CancelJob(b.ctx, job.ID, nil, "ada", noon), api.CodeEnded)
	b.fails(b.RequeueJob(b.ctx, job.ID, nil, "ada", noon), api.CodeEnded)
	b.fails(b.HoldIndices(b.ctx, job.ID, api.Ranges{{From: 0, To: 1}}, true, noon), api.CodeEnded)
	_, err := b.UpdateJobSpec(b.ctx, job.ID, 0, noon, func(*api.JobSpec) error { return nil })
	b.fails(err, api.CodeEnded)
	require.Equal(b.t, []api.JobID{job.ID}, b.commit(term, u).Refused, "and the leader can't end it twice")

	w, err := b.Load(b.ctx)
	b.ok(err)
	require.Empty(b.t, w.Jobs)
	rec, _ := b.record(job.ID)
	require.Equal(b.t, api.JobCancelled, rec.Job.Status.State)
}

func taskWishes(b *bench) {
	job := b.submit("10-50:10")
	b.ok(b.CancelJob(b.ctx, job.ID, api.Ranges{{From: 1, To: 2}}, "ada", noon))
	b.ok(b.HoldIndices(b.ctx, job.ID, api.Ranges{{From: 1, To: 4}}, true, noon))
	b.ok(b.HoldIndices(b.ctx, job.ID, api.Ranges{{From: 2, To: 3}}, false, noon))
	b.fails(b.CancelJob(b.ctx, job.ID, api.Ranges{{From: 4, To: 6}}, "ada", noon), api.CodeInvalid)

	rec, _ := b.record(job.ID)
	require.Equal(b.t, int64(4), rec.Job.Generation, "each wish raises the generation")
	require.Len(b.t, rec.Indices, 3)
	one, _ := index(rec.Indices, 1)
	require.Equal(b.t, api.JobIndex{
		Instance: api.Instance{Owner: job.ID, Index: 20}, Ordinal: 1, Hold: true, CancelWanted: true,
	}, one)
	two, _ := index(rec.Indices, 2)
	require.False(b.t, two.Hold)
	require.False(b.t, rec.CancelWanted)

	b.ok(b.HoldIndices(b.ctx, job.ID, nil, false, noon))
	b.ok(b.CancelJob(b.ctx, job.ID, nil, "root", noon))
	b.ok(b.CancelJob(b.ctx, job.ID, nil, "ada", noon))
	b.ok(b.RequeueJob(b.ctx, job.ID, nil, "ada", noon))
	rec, _ = b.record(job.ID)
	require.True(b.t, rec.CancelWanted)
	require.Equal(b.t, "root", rec.CancelBy, "the second wish changed nothing")
	require.Equal(b.t, int64(1), rec.RequeueWanted)
	require.Equal(b.t, int64(7), rec.Job.Generation)
	for _, x := range rec.Indices {
		require.False(b.t, x.Hold)
	}
}

func requeueSeen(b *bench) {
	job, term := b.submit("0-3"), b.lead()
	second := api.Ranges{{From: 1, To: 2}}
	for range 3 {
		b.ok(b.RequeueJob(b.ctx, job.ID, second, "ada", noon))
		b.ok(b.RequeueJob(b.ctx, job.ID, second, "ada", noon))
		rec, _ := b.record(job.ID)
		x, _ := index(rec.Indices, 1)
		require.True(b.t, x.RequeueWanted)

		u := b.unit(job.ID)
		x.RequeueSeen = true
		u.Indices = []api.JobIndex{x}
		b.commitAll(term, u)
		rec, _ = b.record(job.ID)
		x, _ = index(rec.Indices, 1)
		require.False(b.t, x.RequeueWanted, "what was seen is not wanted any more")
	}
}

func changesOnce(b *bench) {
	c := b.cursor()
	require.Empty(b.t, b.changes(c).Jobs)

	first, second := b.submit(""), b.submit("")
	b.ok(b.CancelJob(b.ctx, first.ID, nil, "ada", noon))
	b.node("n1")

	got := b.changes(c)
	require.Len(b.t, got.Jobs, 2)
	require.Equal(b.t, first.ID, got.Jobs[0].Job.ID)
	require.True(b.t, got.Jobs[0].CancelWanted, "the row as it is now")
	require.Equal(b.t, second.ID, got.Jobs[1].Job.ID)
	require.Len(b.t, got.Nodes, 1)

	next := b.changes(got.Cursor)
	require.Empty(b.t, next.Jobs)
	require.Empty(b.t, next.Nodes)
	require.Equal(b.t, got.Jobs, b.changes(c).Jobs, "an old cursor gives it all again")
}

func loadFits(b *bench) {
	job, n, term := b.submit("0-3"), b.node("n1"), b.lead()
	b.bound(term, key(job.ID, 1, 1), n.Name)
	w, err := b.Load(b.ctx)
	b.ok(err)
	require.NotEmpty(b.t, w.Epoch)
	require.Equal(b.t, w.Epoch, w.Cursor.Epoch)
	require.Empty(b.t, b.changes(w.Cursor).Jobs, "nothing since")

	recs, pods, err := b.Jobs(b.ctx, []api.JobID{job.ID})
	b.ok(err)
	require.Equal(b.t, recs, w.Jobs)
	require.Equal(b.t, pods, w.Pods)
	require.Len(b.t, w.Nodes, 1)
}

func foreignEpoch(b *bench) {
	c := b.cursor()
	c.Epoch = "of another life"
	_, err := b.Changes(b.ctx, c)
	b.fails(err, api.CodeGone)
}

func policyNouns(b *bench) {
	c := b.cursor()
	_, err := b.PutPartition(b.ctx, "gpu", 3, api.PartitionSpec{}, noon)
	b.fails(err, api.CodeNotFound)
	p, err := b.PutPartition(b.ctx, "gpu", 0, api.PartitionSpec{NodeNames: []string{"n1"}}, noon)
	b.ok(err)
	require.Equal(
		b.t, api.Partition{Name: "gpu", Generation: 1, Spec: api.PartitionSpec{NodeNames: []string{"n1"}}}, p,
	)
	_, err = b.PutPartition(b.ctx, "gpu", 2, api.PartitionSpec{}, noon)
	b.fails(err, api.CodeConflict)
	p, err = b.PutPartition(b.ctx, "gpu", 1, api.PartitionSpec{Down: true}, noon)
	b.ok(err)
	require.Equal(b.t, int64(2), p.Generation)
	a, err := b.PutAccount(b.ctx, "physics", 0, api.AccountSpec{Description: "d"}, noon)
	b.ok(err)
	u, err := b.PutUser(b.ctx, "ada", 0, api.UserSpec{UID: 1815, Accounts: []string{"physics"}}, noon)
	b.ok(err)
	q, err := b.PutQOS(b.ctx, "high", 0, api.QOSSpec{Priority: 9}, noon)
	b.ok(err)

	got := b.changes(c)
	require.Equal(b.t, []api.Partition{p}, got.Partitions)
	require.Equal(b.t, []api.Account{a}, got.Accounts)
	require.Equal(b.t, []api.User{u}, got.Users)
	require.Equal(b.t, []api.QOS{q}, got.QOS)

	b.ok(b.DeletePartition(b.ctx, "gpu", noon))
	b.fails(b.DeletePartition(b.ctx, "gpu", noon), api.CodeNotFound)
	got = b.changes(got.Cursor)
	require.Empty(b.t, got.Partitions)
	require.Equal(b.t, []string{"gpu"}, got.RemovedPartitions)
}

func dependencies(b *bench) {
	first, term := b.submit(""), b.lead()
	sp := spec("")
	sp.Dependencies = []api.Dependency{
		{Kind: api.DependencyAfterOK, On: first.ID, OnIndex: api.NoIndex},
		{Kind: api.DependencySingleton, OnIndex: api.NoIndex},
		{Kind: api.DependencyAfter, On: first.ID + 5000, OnIndex: api.NoIndex, DelaySeconds: 60},
	}
	second := b.submitSpec(sp)
	rec, _ := b.record(second.ID)
	require.Len(b.t, rec.Dependencies, 3)
	for i, d := range rec.Dependencies {
		require.Equal(b.t, sp.Dependencies[i], d.Dependency)
		require.False(b.t, d.Met || d.Failed)
	}
	require.Equal(b.t, api.JobPending, rec.Dependencies[0].OnState)
	require.Empty(b.t, rec.Dependencies[2].OnState, "there is no such job")

	c := b.cursor()
	u := b.unit(first.ID)
	finish(&u, api.JobCompleted)
	b.commitAll(term, u)
	got := b.changes(c)
	require.Len(b.t, got.Jobs, 2, "who waits for a job changes with it")
	require.Equal(b.t, api.JobCompleted, got.Jobs[1].Dependencies[0].OnState)
	require.Equal(b.t, noon, *got.Jobs[1].Dependencies[0].OnEndedAt)

	u = b.unit(second.ID)
	u.Dependencies = []api.DependencySettled{{Position: 0, Met: true}, {Position: 2}}
	b.commitAll(term, u)
	rec, _ = b.record(second.ID)
	require.True(b.t, rec.Dependencies[0].Met)
	require.False(b.t, rec.Dependencies[1].Met || rec.Dependencies[1].Failed)
	require.True(b.t, rec.Dependencies[2].Failed)
}

func taskDependencies(b *bench) {
	first, term := b.submit("5,7,9"), b.lead()
	b.node("n1")
	sp := spec("")
	for _, i := range []int64{5, 7, 9, 6} {
		sp.Dependencies = append(
			sp.Dependencies, api.Dependency{Kind: api.DependencyAfterAny, On: first.ID, OnIndex: i},
		)
	}
	second := b.submitSpec(sp)
	states := func() (out []api.JobState) {
		rec, _ := b.record(second.ID)
		for _, d := range rec.Dependencies {
			out = append(out, d.OnState)
		}
		return out
	}
	require.Equal(b.t, []api.JobState{api.JobPending, api.JobPending, api.JobPending, ""}, states())

	u, p := b.unit(first.ID), pod(key(first.ID, 7, 1), "n1")
	p.Ordinal = 1
	bind(&u, p)
	b.commitAll(term, u)
	require.Equal(b.t, []api.JobState{api.JobPending, api.JobRunning, api.JobPending, ""}, states())

	b.report("n1", completed(p.Key))
	require.Equal(b.t, api.JobRunning, states()[1], "not settled yet")
	u = b.unit(first.ID)
	u.Releases = []api.PodKey{p.Key}
	b.commitAll(term, u)
	require.Equal(b.t, api.JobCompleted, states()[1])
}
