// Package storetest is the one suite that every store passes: apiserver/store on Postgres, and the
// simulator's memory store. What it does not ask for, no caller may rely on.
//
// Words: a backend is a fresh, empty store that belongs to one test. A case is one promise.
// The package must not know how a backend works.
package storetest

import (
	"context"
	"testing"
	"time"

	"github.com/coxswain-hpc/coxswain/api"
)

// Backend is what a store has to offer: the leader's store and election (scheduler/loop), and what
// kubelet streams and users' requests need.
type Backend interface {
	Leading
	Intent
	Stream
	Policy
}

// Leading is loop.Store and loop.Election.
type Leading interface {
	Load(ctx context.Context) (api.World, error)
	Changes(ctx context.Context, since api.Cursor) (api.Changes, error)
	Commit(ctx context.Context, term int64, c api.Commit) (api.CommitResult, error)
	Jobs(ctx context.Context, ids []api.JobID) ([]api.JobRecord, []api.Pod, error)
	TakeIDs(ctx context.Context, term int64, n int) (api.JobID, error)
	Leases(ctx context.Context) ([]api.Lease, error)
	CompletedOrdinals(ctx context.Context, id api.JobID) (api.Ranges, error)
	Leader(ctx context.Context) (api.LeaderRow, error)
	TakeOver(ctx context.Context, old int64, holder string) (term int64, ok bool, err error)
	Renew(ctx context.Context, term int64) error
}

// Intent is what users wish.
type Intent interface {
	SubmitJob(ctx context.Context, p api.SubmitParams) (job api.Job, existed bool, err error)
	GetJob(ctx context.Context, id api.JobID) (api.Job, error)
	UpdateJobSpec(ctx context.Context, id api.JobID, generation int64, now time.Time,
		change func(*api.JobSpec) error) (api.Job, error)
	CancelJob(ctx context.Context, id api.JobID, ordinals api.Ranges, by string, now time.Time) error
	RequeueJob(ctx context.Context, id api.JobID, ordinals api.Ranges, by string, now time.Time) error
	HoldIndices(ctx context.Context, id api.JobID, ordinals api.Ranges, held bool, now time.Time) error
	SignalPods(ctx context.Context, keys []api.PodKey, signal string, batchOnly bool, now time.Time) error
	UpdateNodeSpec(ctx context.Context, name string, generation int64, now time.Time,
		change func(*api.NodeSpec) error) (api.Node, error)
}

// Stream is what a kubelet's control stream needs.
type Stream interface {
	RegisterNode(ctx context.Context, name string, status api.NodeStatus, now time.Time) (api.Node, error)
	UpdateNodeStatus(ctx context.Context, name string, status api.NodeStatus) error
	RenewLeases(ctx context.Context, leases []api.Lease) error
	NodePods(ctx context.Context, node string) ([]api.PodAssignment, error)
	Assignments(ctx context.Context, keys []api.PodKey) ([]api.NodeAssignment, error)
	Template(ctx context.Context, name string) (api.KubeletTemplate, error)
	ApplyReports(ctx context.Context, node string, reports []api.PodReport, now time.Time) (
		[]api.PodKey, error,
	)
	NodeSignals(ctx context.Context, node string) ([]api.PodSignal, error)
	AckSignals(ctx context.Context, node string, ids []int64) error
}

// Policy is what admins put.
type Policy interface {
	PutAccount(
		ctx context.Context, name string, generation int64, spec api.AccountSpec, now time.Time,
	) (api.Account, error)
	PutUser(
		ctx context.Context, name string, generation int64, spec api.UserSpec, now time.Time,
	) (api.User, error)
	PutQOS(
		ctx context.Context, name string, generation int64, spec api.QOSSpec, now time.Time,
	) (api.QOS, error)
	PutPartition(
		ctx context.Context, name string, generation int64, spec api.PartitionSpec, now time.Time,
	) (api.Partition, error)
	DeletePartition(ctx context.Context, name string, now time.Time) error
}

// Run runs every case, each on a backend of its own.
func Run(t *testing.T, open func(t *testing.T) Backend) {
	t.Helper()
	for _, c := range cases() {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.run(newBench(t, open(t)))
		})
	}
}

type testCase struct {
	name string
	run  func(*bench)
}

func cases() []testCase {
	return []testCase{
		{"a submitted job is there", submitted},
		{"a repeated request gives the first job", repeatedRequest},
		{"an update is guarded by the generation", updateGuarded},
		{"what pods are is fixed once one is bound", updateAfterBind},
		{"an ended job can't be changed", endedIsFinal},
		{"wishes about tasks", taskWishes},
		{"a requeue of a task is seen and wished again", requeueSeen},
		{"changes are told once", changesOnce},
		{"the world and its cursor fit", loadFits},
		{"a cursor of another epoch is gone", foreignEpoch},
		{"policy nouns", policyNouns},
		{"dependencies show the other job", dependencies},
		{"dependencies on a task show the task", taskDependencies},
		{"a commit is stored as it is", commitStored},
		{"a changed job refuses its unit", refusedByJob},
		{"a changed node refuses its unit", refusedByNode},
		{"an instance has one live pod", oneLivePod},
		{"a retry in one unit", retryInOneUnit},
		{"the leader ends, stops and releases pods", endStopRelease},
		{"dropped indices", droppedIndices},
		{"an old term writes nothing", fenced},
		{"one contender wins", oneWinner},
		{"numbers are taken in runs", takenIDs},
		{"reports move a pod", reportsMove},
		{"repeated and late reports", reportsRepeat},
		{"a batch of reports about one pod", reportsFold},
		{"completed ordinals", completedOrdinals},
		{"what a node is told", assignments},
		{"restarts are counted from the first run", restarts},
		{"templates", templates},
		{"nodes report", nodesReport},
		{"leases", leases},
		{"signals", signals},
	}
}
