package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/coxswain-hpc/coxswain/api/client"
)

func newRelease(a *app) *cobra.Command {
	return actCommand(a, "release", "Let held jobs or tasks start",
		func(ctx context.Context, cl *client.Client, ref jobRef) error {
			return cl.ReleaseJob(ctx, ref.ID, ref.Indices)
		})
}
