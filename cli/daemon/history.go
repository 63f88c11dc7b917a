package daemon

import (
	"context"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/apiserver/store"
	"github.com/coxswain-hpc/coxswain/scheduler/loop"
)

// historyAttemptsMax bounds the attempts of one instance that an explanation looks at.
const historyAttemptsMax = 1000

// history gives the scheduler's explanations the attempts that have ended.
type history struct{ store *store.Store }

var _ loop.History = history{}

// InstancePods implements loop.History.
func (h history) InstancePods(ctx context.Context, owner api.JobID, index int64) ([]api.Pod, error) {
	pods, _, err := h.store.ListPods(ctx, store.PodFilter{Owner: owner, Index: &index, Limit: historyAttemptsMax})
	return pods, err
}
