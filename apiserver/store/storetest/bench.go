package storetest

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coxswain-hpc/coxswain/api"
)

// noon is when everything happens.
var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// bench is a backend with the steps that cases are made of. Every step must succeed.
type bench struct {
	Backend
	t   *testing.T
	ctx context.Context //nolint:containedctx // the test's own
}

func newBench(t *testing.T, b Backend) *bench {
	t.Helper()
	return &bench{Backend: b, t: t, ctx: t.Context()}
}

func (b *bench) ok(err error) {
	b.t.Helper()
	require.NoError(b.t, err)
}

func (b *bench) fails(err error, code api.Code) {
	b.t.Helper()
	require.Error(b.t, err)
	require.Equal(b.t, code, api.CodeOf(err), "%v", err)
}

// spec is a job of ada's; an array if the expression is not empty.
func spec(array string) api.JobSpec {
	cpu := api.Resources{CPUMillis: 1000, MemoryBytes: 1 << 30}
	main := api.Container{Name: "main", Main: true, Requests: cpu, Limits: cpu}
	return api.JobSpec{
		Name: "sweep", Account: "default", Partition: "default", QOS: "default", Array: array,
		Owner: api.Identity{User: "ada", UID: 1815, GID: 1815},
		Roles: []api.Role{
			{Name: "main", Count: 1, Template: api.PodTemplate{Containers: []api.Container{main}}},
		},
		TimeLimitSeconds: 3600, GraceSeconds: 30,
	}
}

func params(sp api.JobSpec) api.SubmitParams {
	array, err := api.ParseArray(sp.Array)
	if err != nil {
		panic(err) // a mistake in a case
	}
	payload := api.Payload{
		Script: []byte("#!/bin/sh\necho hi\n"), Environment: []string{"A=1", "F=() {\n  true\n}", "E="},
	}
	return api.SubmitParams{
		Submit: api.JobSubmit{Spec: sp, Payload: payload}, Size: max(array.Len(), 1), Now: noon,
	}
}

func (b *bench) submit(array string) api.Job {
	b.t.Helper()
	return b.submitSpec(spec(array))
}

func (b *bench) submitSpec(sp api.JobSpec) api.Job {
	b.t.Helper()
	job, existed, err := b.SubmitJob(b.ctx, params(sp))
	b.ok(err)
	require.False(b.t, existed)
	return job
}

func (b *bench) node(name string) api.Node {
	b.t.Helper()
	n, err := b.RegisterNode(b.ctx, name, nodeStatus("boot-1"), noon)
	b.ok(err)
	return n
}

func nodeStatus(boot string) api.NodeStatus {
	all := api.Resources{CPUMillis: 4000, MemoryBytes: 8 << 30}
	return api.NodeStatus{
		BootID: boot, KubeletVersion: "1",
		Inventory: api.Inventory{Hostname: "host", CgroupMode: "v2", Capacity: all, Allocatable: all},
	}
}

// lead takes over from whoever leads.
func (b *bench) lead() (term int64) {
	b.t.Helper()
	row, err := b.Leader(b.ctx)
	b.ok(err)
	term, ok, err := b.TakeOver(b.ctx, row.Term, "test")
	b.ok(err)
	require.True(b.t, ok)
	return term
}

func (b *bench) cursor() api.Cursor {
	b.t.Helper()
	w, err := b.Load(b.ctx)
	b.ok(err)
	return w.Cursor
}

func (b *bench) changes(since api.Cursor) api.Changes {
	b.t.Helper()
	c, err := b.Changes(b.ctx, since)
	b.ok(err)
	return c
}

// record reads one job with its live pods.
func (b *bench) record(id api.JobID) (api.JobRecord, []api.Pod) {
	b.t.Helper()
	recs, pods, err := b.Jobs(b.ctx, []api.JobID{id})
	b.ok(err)
	require.Len(b.t, recs, 1)
	return recs[0], pods
}

// unit is a commit's unit for the job as it is stored now.
func (b *bench) unit(id api.JobID) api.JobCommit {
	b.t.Helper()
	rec, _ := b.record(id)
	return api.JobCommit{
		ID: id, Generation: rec.Job.Generation, Status: rec.Job.Status, RequeueServed: rec.RequeueServed,
	}
}

func (b *bench) commit(term int64, units ...api.JobCommit) api.CommitResult {
	b.t.Helper()
	result, err := b.Commit(b.ctx, term, api.Commit{Jobs: units, Now: noon})
	b.ok(err)
	return result
}

// commitAll commits units of which none may be refused.
func (b *bench) commitAll(term int64, units ...api.JobCommit) {
	b.t.Helper()
	require.Empty(b.t, b.commit(term, units...).Refused)
}

func key(id api.JobID, index int64, attempt int32) api.PodKey {
	return api.PodKey{Instance: api.Instance{Owner: id, Index: index}, Attempt: attempt}
}

// pod is the bind of an instance to a node.
func pod(k api.PodKey, node string) api.Pod {
	return api.Pod{
		Key: k, Ordinal: max(k.Index, 0), TaskID: k.Owner, Role: "main", Node: node, State: api.PodBound,
		Class:     api.ClassGuaranteed,
		Resources: api.Resources{CPUMillis: 1000, MemoryBytes: 1 << 30}, CPUs: "0",
		BoundAt: noon,
	}
}

// bind adds a bind to the unit and moves the instance from waiting to live.
func bind(u *api.JobCommit, p api.Pod) {
	u.Binds = append(u.Binds, p)
	u.Status.State = api.JobRunning
	u.Status.Reason = api.ReasonNone
	u.Status.StartedAt = new(noon)
	u.Status.Waiting = u.Status.Waiting.Remove(p.Ordinal)
	u.Status.Counts.Waiting--
	u.Status.Counts.Live++
}

// bound stores a pod of the instance on the node.
func (b *bench) bound(term int64, k api.PodKey, node string) {
	b.t.Helper()
	u := b.unit(k.Owner)
	bind(&u, pod(k, node))
	b.commitAll(term, u)
}

// finish ends the whole job.
func finish(u *api.JobCommit, state api.JobState) {
	u.Status.State = state
	u.Status.EndedAt = new(noon)
	u.Status.Waiting = nil
}

func (b *bench) report(node string, reports ...api.PodReport) (stale []api.PodKey) {
	b.t.Helper()
	stale, err := b.ApplyReports(b.ctx, node, reports, noon)
	b.ok(err)
	return stale
}

func running(k api.PodKey) api.PodReport {
	return api.PodReport{Key: k, State: api.PodRunning, At: noon.Add(time.Second)}
}

func completed(k api.PodKey) api.PodReport {
	return api.PodReport{
		Key: k, State: api.PodCompleted, At: noon.Add(time.Minute),
		Exit: &api.PodExit{
			Reason: api.ReasonExitCode, Usage: api.Usage{CPUSeconds: 1.5, PeakMemoryBytes: 1 << 20},
		},
	}
}

// livePod reads the only live pod of a job.
func (b *bench) livePod(id api.JobID) api.Pod {
	b.t.Helper()
	_, pods := b.record(id)
	require.Len(b.t, pods, 1)
	return pods[0]
}

func index(list []api.JobIndex, ordinal int64) (api.JobIndex, bool) {
	for _, x := range list {
		if x.Ordinal == ordinal {
			return x, true
		}
	}
	return api.JobIndex{}, false
}
