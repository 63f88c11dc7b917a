package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/coxswain-hpc/coxswain/api/client"
)

func newRequeue(a *app) *cobra.Command {
	return actCommand(a, "requeue", "Stop running jobs or tasks and let them start again",
		func(ctx context.Context, cl *client.Client, ref jobRef) error {
			return cl.RequeueJob(ctx, ref.ID, ref.Indices)
		})
}
