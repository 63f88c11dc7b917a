package cli

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/coxswain-hpc/coxswain/api/client"
)

// actOn runs an action on every named job. One that fails does not keep the others from it; the
// first failure decides about the exit code.
func (a *app) actOn(ctx context.Context, args []string, act func(context.Context, *client.Client, jobRef) error) error {
	refs, err := parseJobRefs(args)
	if err != nil {
		return err
	}
	cl, err := a.client()
	if err != nil {
		return err
	}
	var failed error
	for _, ref := range refs {
		err := act(ctx, cl, ref)
		switch {
		case err == nil:
		case failed == nil && len(refs) == 1, errors.Is(err, context.Canceled):
			return err
		default:
			a.fail(err)
			if failed == nil {
				failed = statusError{exitCodeOf(err)}
			}
		}
	}
	return failed
}

// actCommand makes a command that does one thing to each named job.
func actCommand(a *app, use, short string, act func(context.Context, *client.Client, jobRef) error) *cobra.Command {
	return &cobra.Command{
		Use: use + " JOB...", Short: short, Args: args(cobra.MinimumNArgs(1)),
		RunE: func(c *cobra.Command, args []string) error { return a.actOn(c.Context(), args, act) },
	}
}
