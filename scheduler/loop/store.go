package loop

import (
	"context"

	"github.com/coxswain-hpc/coxswain/api"
)

// Store is what the leader needs of the durable state. apiserver/store implements it on Postgres,
// internal/sim/memstore in memory; both pass apiserver/store/storetest.
//
// Every method may fail with api.ErrUnavailable: the loop keeps its state and retries. Commit and
// TakeIDs fail with api.ErrNotLeader once another term has begun; the loop then steps down.
type Store interface {
	// Load reads the whole world in one snapshot, with the feed cursor that it is true for.
	Load(ctx context.Context) (api.World, error)
	// Changes reads what changed since the cursor as current rows. It fails with api.ErrGone when
	// the cursor is too old or of another epoch: load again. It does not wait.
	Changes(ctx context.Context, since api.Cursor) (api.Changes, error)
	// Commit applies a batch in one transaction fenced by the term. Units that no longer hold are
	// refused one by one, not an error. A commit whose answer was lost may have happened: the loop
	// reloads.
	Commit(ctx context.Context, term int64, c api.Commit) (api.CommitResult, error)
	// Jobs reads current records of some jobs, ended ones too, with their unreleased pods.
	Jobs(ctx context.Context, ids []api.JobID) ([]api.JobRecord, []api.Pod, error)
	// TakeIDs takes n consecutive numbers of the job id sequence (for array tasks) and returns the
	// first. Numbers that are never used are a gap and nothing else.
	TakeIDs(ctx context.Context, term int64, n int) (api.JobID, error)
	// Leases reads all node leases.
	Leases(ctx context.Context) ([]api.Lease, error)
	// CompletedOrdinals reads which instances of a job have ended completed, for aftercorr: the ordinals
	// with a completed pod.
	CompletedOrdinals(ctx context.Context, id api.JobID) (api.Ranges, error)
}

// Election is the leader row. A contender takes over when it saw the beat unchanged for the lease
// time on its own monotonic clock; wall time takes no part.
type Election interface {
	// Leader reads the row.
	Leader(ctx context.Context) (api.LeaderRow, error)
	// TakeOver makes holder the leader of term old+1 if the term is still old; it waits for the old
	// leader's open transactions and after a short time ends them. ok is false if another was faster.
	TakeOver(ctx context.Context, old int64, holder string) (term int64, ok bool, err error)
	// Renew raises the beat; ErrNotLeader when the term is over.
	Renew(ctx context.Context, term int64) error
}
