package cli

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/api/client"
)

// updateFlags are the flags of update; only those that are given change something.
type updateFlags struct {
	name, comment, partition, qos, timeLimit, memory, begin string
	nice, arrayLimit, cpus, generation                      int64
}

func newUpdate(a *app) *cobra.Command {
	var f updateFlags
	c := &cobra.Command{
		Use: "update JOB...", Short: "Change waiting jobs, and the time limit of running ones",
		Args: args(cobra.MinimumNArgs(1)),
	}
	flags := c.Flags()
	flags.StringVarP(&f.name, "job-name", "J", "", "a new name")
	flags.StringVar(&f.comment, "comment", "", "a new comment")
	flags.StringVarP(&f.partition, "partition", "p", "", "another partition")
	flags.StringVar(&f.qos, "qos", "", "another QOS")
	flags.StringVarP(&f.timeLimit, "time", "t", "", "a new time limit (minutes, or [days-]hours:minutes:seconds)")
	flags.StringVar(&f.memory, "mem", "", "other memory (16G, or MiB), of a waiting job")
	flags.Int64VarP(&f.cpus, "cpus", "c", 0, "other CPUs, of a waiting job")
	flags.StringVarP(&f.begin, "begin", "b", "", "not before this time (16:00, now+1hour, 2030-01-20T12:34)")
	flags.Int64Var(&f.nice, "nice", 0, "a lower (positive) priority")
	flags.Int64Var(&f.arrayLimit, "array-limit", 0, "at most so many tasks at a time")
	flags.Int64Var(&f.generation, "generation", 0, "refuse if the job was changed since this generation")
	c.RunE = func(c *cobra.Command, args []string) error { return a.update(c, f, args) }
	return c
}

func (a *app) update(c *cobra.Command, f updateFlags, args []string) error {
	u, err := f.update(c.Flags().Changed, a.now())
	if err != nil {
		return err
	}
	return a.actOn(c.Context(), args, func(ctx context.Context, cl *client.Client, ref jobRef) error {
		if ref.Indices != "" {
			return usagef("update changes whole jobs; %s names tasks", ref)
		}
		change := u
		if f.cpus != 0 || f.memory != "" {
			r, err := f.resources(ctx, cl, ref.ID)
			if err != nil {
				return err
			}
			change.Requests = &r
		}
		_, err := cl.UpdateJob(ctx, ref.ID, change, f.generation)
		return err
	})
}

func (f updateFlags) update(changed func(string) bool, now time.Time) (api.JobUpdate, error) {
	var u api.JobUpdate
	given := func(name string, value string) *string {
		if !changed(name) {
			return nil
		}
		return &value
	}
	u.Name, u.Comment = given("job-name", f.name), given("comment", f.comment)
	u.Partition, u.QOS = given("partition", f.partition), given("qos", f.qos)
	if changed("nice") {
		u.Nice = &f.nice
	}
	if changed("array-limit") {
		u.ArrayLimit = &f.arrayLimit
	}
	if changed("time") {
		seconds, err := api.ParseSlurmTime(f.timeLimit)
		if err != nil {
			return u, usageError{err}
		}
		u.TimeLimitSeconds = &seconds
	}
	if changed("begin") {
		at, err := api.ParseBegin(f.begin, now)
		if err != nil {
			return u, usageError{err}
		}
		u.BeginAt = &at
	}
	return u, nil
}

// resources joins what is given with what the job has.
func (f updateFlags) resources(ctx context.Context, cl *client.Client, id api.JobID) (api.Resources, error) {
	job, err := cl.Job(ctx, id)
	if err != nil {
		return api.Resources{}, err
	}
	r := job.Spec.Roles[0].Template.Main().Requests
	if f.cpus != 0 {
		r.CPUMillis = f.cpus * api.MillisPerCPU
	}
	if f.memory != "" {
		if r.MemoryBytes, err = api.ParseMemorySlurm(f.memory); err != nil {
			return r, usageError{err}
		}
	}
	return r, nil
}
