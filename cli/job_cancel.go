package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/coxswain-hpc/coxswain/api/client"
)

func newCancel(a *app) *cobra.Command {
	var mine bool
	var f jobFlags
	c := &cobra.Command{
		Use: "cancel JOB...", Short: "End jobs or tasks; --mine: all that wait or run",
		RunE: func(c *cobra.Command, args []string) error {
			chosen := mine || f.user != "" || f.name != "" || f.partition != "" || len(f.states) > 0 || f.account != ""
			if len(args) == 0 && !chosen {
				return usagef("name the jobs to cancel, " +
					"or choose them with --mine, --user, --name, --partition or --state")
			}
			if chosen {
				found, err := a.chooseJobs(c.Context(), f)
				if err != nil {
					return err
				}
				args = append(args, found...)
			}
			return a.actOn(c.Context(), args, func(ctx context.Context, cl *client.Client, ref jobRef) error {
				return cl.CancelJob(ctx, ref.ID, ref.Indices)
			})
		},
	}
	flags := c.Flags()
	flags.BoolVar(&mine, "mine", false, "all my jobs that wait or run")
	flags.StringVarP(&f.user, "user", "u", "", "jobs of this user")
	flags.StringVarP(&f.account, "account", "A", "", "my jobs of this account")
	flags.StringVarP(&f.partition, "partition", "p", "", "my jobs in this partition")
	flags.StringVarP(&f.name, "name", "n", "", "my jobs of this name")
	flags.StringSliceVarP(&f.states, "state", "t", nil, "my jobs in these states (pending, running)")
	return c
}

func (a *app) chooseJobs(ctx context.Context, f jobFlags) ([]string, error) {
	cl, err := a.client()
	if err != nil {
		return nil, err
	}
	filter, err := f.filter(ctx, cl, false)
	if err != nil {
		return nil, err
	}
	jobs, err := cl.AllJobs(ctx, filter, queueJobsMax)
	if err != nil {
		return nil, err
	}
	ids := make([]string, len(jobs))
	for i, job := range jobs {
		ids[i] = job.ID.String()
	}
	a.note("cancels " + plural(int64(len(ids)), "job"))
	return ids, nil
}
