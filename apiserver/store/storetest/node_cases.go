package storetest

import (
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coxswain-hpc/coxswain/api"
)

func reportsMove(b *bench) {
	job, term := b.submit(""), b.lead()
	b.node("n1")
	k := key(job.ID, api.NoIndex, 1)
	b.bound(term, k, "n1")
	c := b.cursor()

	require.Empty(b.t, b.report("n1", running(k)))
	p := b.livePod(job.ID)
	require.Equal(b.t, api.PodRunning, p.State)
	require.Equal(b.t, noon.Add(time.Second), *p.StartedAt)
	require.Nil(b.t, p.EndedAt)

	require.Empty(b.t, b.report("n1", completed(k)))
	p = b.livePod(job.ID)
	require.Equal(b.t, api.PodCompleted, p.State)
	require.Equal(b.t, noon.Add(time.Second), *p.StartedAt)
	require.Equal(b.t, noon.Add(time.Minute), *p.EndedAt)
	require.Equal(b.t, completed(k).Exit, p.Exit)

	got := b.changes(c)
	require.Equal(b.t, []api.Pod{p}, got.Pods)
	rec, _ := b.record(job.ID)
	require.Equal(b.t, api.JobRunning, rec.Job.Status.State, "only the leader writes the job's state")
}

func reportsRepeat(b *bench) {
	job, term := b.submit("0-3"), b.lead()
	b.node("n1")
	b.node("n2")
	k := key(job.ID, 0, 1)
	b.bound(term, k, "n1")

	require.Equal(b.t, []api.PodKey{k}, b.report("n2", running(k)), "it is not that node's pod")
	require.Equal(b.t, []api.PodKey{key(job.ID, 0, 2)}, b.report("n1", running(key(job.ID, 0, 2))))
	require.Empty(b.t, b.report("n1", completed(k)))
	p, c := b.livePod(job.ID), b.cursor()
	require.Empty(b.t, b.report("n1", completed(k)), "repeated")
	require.Equal(b.t, []api.PodKey{k}, b.report("n1", running(k)), "late")
	late := completed(k)
	late.State = api.PodFailed
	require.Equal(b.t, []api.PodKey{k}, b.report("n1", late), "otherwise")
	require.Equal(b.t, p, b.livePod(job.ID))
	require.Empty(b.t, b.changes(c).Pods, "nothing changed")
}

func reportsFold(b *bench) {
	job, term := b.submit("0-3"), b.lead()
	b.node("n1")
	var reports []api.PodReport
	for i := range int64(3) {
		k := key(job.ID, i, 1)
		b.bound(term, k, "n1")
		reports = append(reports, running(k), completed(k))
	}
	require.Empty(b.t, b.report("n1", reports...))
	_, pods := b.record(job.ID)
	require.Len(b.t, pods, 3)
	for _, p := range pods {
		require.Equal(b.t, api.PodCompleted, p.State)
		require.Equal(b.t, noon.Add(time.Second), *p.StartedAt)
	}
}

func completedOrdinals(b *bench) {
	job, term := b.submit("0-9"), b.lead()
	b.node("n1")
	for _, i := range []int64{1, 2, 3, 7, 8} {
		k := key(job.ID, i, 1)
		b.bound(term, k, "n1")
		r := completed(k)
		if i == 8 {
			r.State = api.PodFailed
		}
		b.report("n1", r)
	}
	set, err := b.CompletedOrdinals(b.ctx, job.ID)
	b.ok(err)
	require.Equal(b.t, "1-3,7", set.String())
	set, err = b.CompletedOrdinals(b.ctx, job.ID+1000)
	b.ok(err)
	require.Empty(b.t, set)
}

func assignments(b *bench) {
	job, term := b.submit("0-3"), b.lead()
	b.node("n1")
	b.node("n2")
	k := key(job.ID, 2, 3)
	b.bound(term, k, "n1")
	list, err := b.NodePods(b.ctx, "n1")
	b.ok(err)
	require.Len(b.t, list, 1)
	require.Equal(b.t, api.PodAssignment{
		Key: k, Ordinal: 2, TaskID: job.ID, Role: "main", Class: api.ClassGuaranteed,
		Resources: api.Resources{CPUMillis: 1000, MemoryBytes: 1 << 30}, CPUs: "0", TimeLimitSeconds: 3600,
		State: api.PodBound, Restarts: 2, Template: list[0].Template,
	}, list[0])
	none, err := b.NodePods(b.ctx, "n2")
	b.ok(err)
	require.Empty(b.t, none)

	c := b.cursor()
	_, err = b.UpdateJobSpec(
		b.ctx, job.ID, 0, noon, func(sp *api.JobSpec) error { sp.TimeLimitSeconds = 7200; return nil },
	)
	b.ok(err)
	got := b.changes(c).Pods
	require.Len(b.t, got, 1, "a new time limit touches the live pods")
	require.Equal(b.t, int64(7200), got[0].TimeLimitSeconds)

	b.report("n1", completed(k))
	u := b.unit(job.ID)
	u.Releases = []api.PodKey{k}
	b.commitAll(term, u)
	list, err = b.NodePods(b.ctx, "n1")
	b.ok(err)
	require.Empty(b.t, list)
	all, err := b.Assignments(b.ctx, []api.PodKey{k, key(job.ID, 0, 1)})
	b.ok(err)
	require.Len(b.t, all, 1)
	require.Equal(b.t, "n1", all[0].Node)
	require.True(b.t, all[0].Released)
	require.Equal(b.t, int64(7200), all[0].TimeLimitSeconds)
}

// restarts: an attempt in which the user's program was never started is none, so that output is not
// appended to a file of another job.
func restarts(b *bench) {
	job, term := b.submit(""), b.lead()
	b.node("n1")
	for n, state := range []api.PodState{api.PodRefused, api.PodNodeFailed, api.PodStartFailed} {
		k := key(job.ID, api.NoIndex, int32(n)+1)
		b.bound(term, k, "n1")
		u := b.unit(job.ID)
		u.Ends = []api.PodEnd{{Key: k, Event: api.PodEvent{State: state, At: noon}}}
		u.Releases = []api.PodKey{k}
		b.commitAll(term, u)
	}
	k := key(job.ID, api.NoIndex, 4)
	b.bound(term, k, "n1")
	list, err := b.NodePods(b.ctx, "n1")
	b.ok(err)
	require.Len(b.t, list, 1)
	require.EqualValues(b.t, 1, list[0].Restarts)
	all, err := b.Assignments(b.ctx, []api.PodKey{k})
	b.ok(err)
	require.EqualValues(b.t, 1, all[0].Restarts)
}

func templates(b *bench) {
	job, term := b.submit("10-50:10"), b.lead()
	b.node("n1")
	b.bound(term, key(job.ID, 10, 1), "n1")
	list, err := b.NodePods(b.ctx, "n1")
	b.ok(err)

	got, err := b.Template(b.ctx, list[0].Template)
	b.ok(err)
	require.NotEmpty(b.t, got.Cluster)
	require.Equal(b.t, api.KubeletTemplate{
		Hash: list[0].Template, Job: job.ID, Spec: job.Spec,
		Role: 0, Payload: params(job.Spec).Submit.Payload,
		Cluster: got.Cluster, ArrayCount: 5, ArrayMin: 10, ArrayMax: 50, ArrayStep: 10,
	}, got)

	_, err = b.UpdateJobSpec(
		b.ctx, job.ID, 0, noon, func(sp *api.JobSpec) error { sp.Comment = "c"; return nil },
	)
	b.ok(err)
	old, err := b.Template(b.ctx, list[0].Template)
	b.ok(err)
	require.Equal(b.t, list[0].Template, old.Hash, "an old name still gives a template")
	_, err = b.Template(b.ctx, "nonsense")
	b.fails(err, api.CodeInvalidID)
	_, err = b.Template(b.ctx, "999999.0.1")
	b.fails(err, api.CodeNotFound)
}

func nodesReport(b *bench) {
	n := b.node("n1")
	require.Equal(b.t, int64(1), n.Generation)
	require.Equal(b.t, api.NodeReady, n.Status.State)
	require.Equal(b.t, noon, n.Status.RegisteredAt)
	c := b.cursor()
	same, err := b.RegisterNode(b.ctx, "n1", nodeStatus("boot-1"), noon.Add(time.Hour))
	b.ok(err)
	require.Equal(b.t, n, same)
	require.Empty(b.t, b.changes(c).Nodes, "nothing new")

	status := nodeStatus("boot-2")
	status.Conditions = []api.Condition{{Type: "disk_full", Message: "m", Since: noon}}
	b.ok(b.UpdateNodeStatus(b.ctx, "n1", status))
	got := b.changes(c).Nodes
	require.Len(b.t, got, 1)
	require.Equal(b.t, int64(1), got[0].Generation, "a condition is no change of what can be placed")
	require.Equal(b.t, status.Conditions, got[0].Status.Conditions)
	require.Equal(b.t, "boot-2", got[0].Status.BootID)

	status.Inventory.Allocatable.CPUMillis = 2000
	changed, err := b.RegisterNode(b.ctx, "n1", status, noon)
	b.ok(err)
	require.Equal(b.t, int64(2), changed.Generation)
	b.fails(b.UpdateNodeStatus(b.ctx, "nobody", status), api.CodeNotFound)
}

func leases(b *bench) {
	b.node("n1")
	b.node("n2")
	c := b.cursor()
	b.ok(
		b.RenewLeases(b.ctx, []api.Lease{
			{Node: "n1", BootID: "b", Seq: 1}, {Node: "nobody", BootID: "b", Seq: 1},
		}),
	)
	b.ok(b.RenewLeases(b.ctx, []api.Lease{
		{Node: "n2", BootID: "b", Seq: 1},
		{Node: "n1", BootID: "b", Seq: 2},
		{Node: "n1", BootID: "b", Seq: 3},
	}))
	got, err := b.Leases(b.ctx)
	b.ok(err)
	require.Equal(b.t, []api.Lease{{Node: "n1", BootID: "b", Seq: 3}, {Node: "n2", BootID: "b", Seq: 1}}, got)
	require.Empty(b.t, b.changes(c).Nodes, "leases are outside of the feed")
}

func signals(b *bench) {
	job, term := b.submit("0-3"), b.lead()
	b.node("n1")
	live, ended := key(job.ID, 0, 1), key(job.ID, 1, 1)
	b.bound(term, live, "n1")
	b.bound(term, ended, "n1")
	b.report("n1", completed(ended))

	b.ok(b.SignalPods(b.ctx, []api.PodKey{live, ended}, "USR1", true, noon))
	list, err := b.NodeSignals(b.ctx, "n1")
	b.ok(err)
	require.Len(b.t, list, 1)
	require.Equal(b.t, api.PodSignal{ID: list[0].ID, Key: live, Signal: "USR1", BatchOnly: true}, list[0])

	b.ok(b.AckSignals(b.ctx, "n2", []int64{list[0].ID}))
	list, err = b.NodeSignals(b.ctx, "n1")
	b.ok(err)
	require.Len(b.t, list, 1, "it was another node's answer")
	b.ok(b.AckSignals(b.ctx, "n1", []int64{list[0].ID}))
	list, err = b.NodeSignals(b.ctx, "n1")
	b.ok(err)
	require.Empty(b.t, list)
}
