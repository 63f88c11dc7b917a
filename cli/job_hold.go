package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/coxswain-hpc/coxswain/api/client"
)

func newHold(a *app) *cobra.Command {
	return actCommand(a, "hold", "Keep waiting jobs or tasks from starting",
		func(ctx context.Context, cl *client.Client, ref jobRef) error {
			return cl.HoldJob(ctx, ref.ID, ref.Indices)
		})
}
