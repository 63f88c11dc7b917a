package apiserver_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/apiserver"
)

// untilDeadline is an explainer that hangs as long as it may, and a name service likewise.
type untilDeadline struct{ names }

func requireBound(ctx context.Context, most time.Duration) error {
	deadline, bound := ctx.Deadline()
	if !bound || time.Until(deadline) > most {
		return api.Errorf(api.CodeInternal, "unbounded")
	}
	return nil
}

func (untilDeadline) Explain(ctx context.Context, id api.JobID, index int64) (api.Explanation, error) {
	return api.Explanation{Job: id, Index: index}, requireBound(ctx, 30*time.Second)
}

func (u untilDeadline) ByUID(ctx context.Context, uid int64) (api.Identity, error) {
	if err := requireBound(ctx, 10*time.Second); err != nil {
		return api.Identity{}, err
	}
	return u.names.ByUID(ctx, uid)
}

func TestEveryOperationIsBounded(t *testing.T) {
	t.Parallel()
	b := setup(t, func(o *apiserver.Options) { o.Explainer, o.Names = untilDeadline{people}, untilDeadline{people} })
	job := b.submit(adaUID)
	b.as(adaUID, http.MethodGet, path(job.ID, "/why"), nil).into(http.StatusOK, nil)
}
