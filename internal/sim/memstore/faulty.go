package memstore

import (
	"context"
	"time"

	"github.com/coxswain-hpc/coxswain/api"
)

// Op names a call of the store for those who decide about failures.
type Op string

// The calls that can fail.
const (
	OpLoad     Op = "load"
	OpChanges  Op = "changes"
	OpCommit   Op = "commit"
	OpJobs     Op = "jobs"
	OpTakeIDs  Op = "take_ids"
	OpLeases   Op = "leases"
	OpLeader   Op = "leader"
	OpTakeOver Op = "take_over"
	OpRenew    Op = "renew"
	OpFeed     Op = "feed"
	OpNode     Op = "node"
	OpReport   Op = "report"
	OpRead     Op = "read"
	OpWish     Op = "wish"
)

// Faulty is a Store as one server reaches it: calls fail as its hooks say. A call that fails Before
// did not happen; one that fails After did, and its answer was lost. A nil hook never fails.
type Faulty struct {
	Store         *Store
	Before, After func(Op) error
}

// call runs do between the hooks.
func call[T any](f *Faulty, op Op, do func() (T, error)) (out T, err error) {
	var none T
	if f.Before != nil {
		if err := f.Before(op); err != nil {
			return none, err
		}
	}
	if out, err = do(); err != nil {
		return out, err
	}
	if f.After != nil {
		if err := f.After(op); err != nil {
			return none, err
		}
	}
	return out, nil
}

type nothing struct{}

func callErr(f *Faulty, op Op, do func() error) error {
	_, err := call(f, op, func() (nothing, error) { return nothing{}, do() })
	return err
}

// Load is the store's.
func (f *Faulty) Load(ctx context.Context) (api.World, error) {
	return call(f, OpLoad, func() (api.World, error) { return f.Store.Load(ctx) })
}

// Changes is the store's.
func (f *Faulty) Changes(ctx context.Context, since api.Cursor) (api.Changes, error) {
	return call(f, OpChanges, func() (api.Changes, error) { return f.Store.Changes(ctx, since) })
}

// Commit is the store's.
func (f *Faulty) Commit(ctx context.Context, term int64, c api.Commit) (api.CommitResult, error) {
	return call(f, OpCommit, func() (api.CommitResult, error) { return f.Store.Commit(ctx, term, c) })
}

// Jobs is the store's.
func (f *Faulty) Jobs(ctx context.Context, ids []api.JobID) (recs []api.JobRecord, pods []api.Pod, err error) {
	err = callErr(f, OpJobs, func() (err error) { recs, pods, err = f.Store.Jobs(ctx, ids); return err })
	return recs, pods, err
}

// TakeIDs is the store's.
func (f *Faulty) TakeIDs(ctx context.Context, term int64, n int) (api.JobID, error) {
	return call(f, OpTakeIDs, func() (api.JobID, error) { return f.Store.TakeIDs(ctx, term, n) })
}

// Leases is the store's.
func (f *Faulty) Leases(ctx context.Context) ([]api.Lease, error) {
	return call(f, OpLeases, func() ([]api.Lease, error) { return f.Store.Leases(ctx) })
}

// CompletedOrdinals is the store's.
func (f *Faulty) CompletedOrdinals(ctx context.Context, id api.JobID) (api.Ranges, error) {
	return call(f, OpJobs, func() (api.Ranges, error) { return f.Store.CompletedOrdinals(ctx, id) })
}

// Leader is the store's.
func (f *Faulty) Leader(ctx context.Context) (api.LeaderRow, error) {
	return call(f, OpLeader, func() (api.LeaderRow, error) { return f.Store.Leader(ctx) })
}

// TakeOver is the store's.
func (f *Faulty) TakeOver(ctx context.Context, old int64, holder string) (term int64, ok bool, err error) {
	err = callErr(f, OpTakeOver, func() (err error) { term, ok, err = f.Store.TakeOver(ctx, old, holder); return err })
	return term, ok && err == nil, err
}

// Renew is the store's.
func (f *Faulty) Renew(ctx context.Context, term int64) error {
	return callErr(f, OpRenew, func() error { return f.Store.Renew(ctx, term) })
}

// Next is the store's.
func (f *Faulty) Next(ctx context.Context, since api.Cursor) (t api.Touched, next api.Cursor, err error) {
	err = callErr(f, OpFeed, func() (err error) { t, next, err = f.Store.Next(ctx, since); return err })
	return t, next, err
}

// CurrentCursor is the store's.
func (f *Faulty) CurrentCursor(ctx context.Context) (api.Cursor, error) {
	return call(f, OpFeed, func() (api.Cursor, error) { return f.Store.CurrentCursor(ctx) })
}

// RegisterNode is the store's.
func (f *Faulty) RegisterNode(
	ctx context.Context, name string, status api.NodeStatus, now time.Time,
) (api.Node, error) {
	return call(f, OpNode, func() (api.Node, error) { return f.Store.RegisterNode(ctx, name, status, now) })
}

// UpdateNodeStatus is the store's.
func (f *Faulty) UpdateNodeStatus(ctx context.Context, name string, status api.NodeStatus) error {
	return callErr(f, OpNode, func() error { return f.Store.UpdateNodeStatus(ctx, name, status) })
}

// RenewLeases is the store's.
func (f *Faulty) RenewLeases(ctx context.Context, leases []api.Lease) error {
	return callErr(f, OpNode, func() error { return f.Store.RenewLeases(ctx, leases) })
}

// NodePods is the store's.
func (f *Faulty) NodePods(ctx context.Context, node string) ([]api.PodAssignment, error) {
	return call(f, OpRead, func() ([]api.PodAssignment, error) { return f.Store.NodePods(ctx, node) })
}

// Assignments is the store's.
func (f *Faulty) Assignments(ctx context.Context, keys []api.PodKey) ([]api.NodeAssignment, error) {
	return call(f, OpRead, func() ([]api.NodeAssignment, error) { return f.Store.Assignments(ctx, keys) })
}

// Template is the store's.
func (f *Faulty) Template(ctx context.Context, name string) (api.KubeletTemplate, error) {
	return call(f, OpRead, func() (api.KubeletTemplate, error) { return f.Store.Template(ctx, name) })
}

// ApplyReports is the store's.
func (f *Faulty) ApplyReports(
	ctx context.Context, node string, reports []api.PodReport, now time.Time,
) ([]api.PodKey, error) {
	return call(f, OpReport, func() ([]api.PodKey, error) { return f.Store.ApplyReports(ctx, node, reports, now) })
}

// NodeSignals is the store's.
func (f *Faulty) NodeSignals(ctx context.Context, node string) ([]api.PodSignal, error) {
	return call(f, OpRead, func() ([]api.PodSignal, error) { return f.Store.NodeSignals(ctx, node) })
}

// AckSignals is the store's.
func (f *Faulty) AckSignals(ctx context.Context, node string, ids []int64) error {
	return callErr(f, OpReport, func() error { return f.Store.AckSignals(ctx, node, ids) })
}

// SubmitJob is the store's.
func (f *Faulty) SubmitJob(ctx context.Context, p api.SubmitParams) (job api.Job, existed bool, err error) {
	err = callErr(f, OpWish, func() (err error) { job, existed, err = f.Store.SubmitJob(ctx, p); return err })
	return job, existed, err
}

// UpdateJobSpec is the store's.
func (f *Faulty) UpdateJobSpec(
	ctx context.Context, id api.JobID, generation int64, now time.Time, change func(*api.JobSpec) error,
) (api.Job, error) {
	return call(f, OpWish, func() (api.Job, error) { return f.Store.UpdateJobSpec(ctx, id, generation, now, change) })
}

// CancelJob is the store's.
func (f *Faulty) CancelJob(ctx context.Context, id api.JobID, ordinals api.Ranges, by string, now time.Time) error {
	return callErr(f, OpWish, func() error { return f.Store.CancelJob(ctx, id, ordinals, by, now) })
}

// RequeueJob is the store's.
func (f *Faulty) RequeueJob(ctx context.Context, id api.JobID, ordinals api.Ranges, by string, now time.Time) error {
	return callErr(f, OpWish, func() error { return f.Store.RequeueJob(ctx, id, ordinals, by, now) })
}

// HoldIndices is the store's.
func (f *Faulty) HoldIndices(ctx context.Context, id api.JobID, ordinals api.Ranges, held bool, now time.Time) error {
	return callErr(f, OpWish, func() error { return f.Store.HoldIndices(ctx, id, ordinals, held, now) })
}

// UpdateNodeSpec is the store's.
func (f *Faulty) UpdateNodeSpec(
	ctx context.Context, name string, generation int64, now time.Time, change func(*api.NodeSpec) error,
) (api.Node, error) {
	return call(f, OpWish, func() (api.Node, error) {
		return f.Store.UpdateNodeSpec(ctx, name, generation, now, change)
	})
}

// GetJob is the store's.
func (f *Faulty) GetJob(ctx context.Context, id api.JobID) (api.Job, error) {
	return call(f, OpRead, func() (api.Job, error) { return f.Store.GetJob(ctx, id) })
}

// SignalPods is the store's.
func (f *Faulty) SignalPods(
	ctx context.Context, keys []api.PodKey, signal string, batchOnly bool, now time.Time,
) error {
	return callErr(f, OpWish, func() error { return f.Store.SignalPods(ctx, keys, signal, batchOnly, now) })
}
