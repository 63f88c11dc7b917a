package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/coxswain-hpc/coxswain/api/client"
)

func newSignal(a *app) *cobra.Command {
	var batch bool
	c := &cobra.Command{
		Use: "signal SIGNAL JOB...", Short: "Send a signal (USR1, TERM, 10, …) to running jobs or tasks",
		Args: args(cobra.MinimumNArgs(2)),
		RunE: func(c *cobra.Command, args []string) error {
			return a.actOn(c.Context(), args[1:], func(ctx context.Context, cl *client.Client, ref jobRef) error {
				return cl.SignalJob(ctx, ref.ID, ref.Indices, args[0], batch)
			})
		},
	}
	c.Flags().BoolVarP(&batch, "batch", "b", false, "to the batch script alone")
	return c
}
