package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/api/client"
	"github.com/coxswain-hpc/coxswain/cli/output"
)

// Bounds of what one command shows.
const (
	queueJobsMax = 10_000
	queuePodsMax = 10_000 // pods are only read for the names of their nodes
)

// jobFlags are the flags by which reading commands choose jobs.
type jobFlags struct {
	all                            bool
	user, account, partition, name string
	states                         []string
	limit                          int
}

func (f *jobFlags) add(c *cobra.Command) {
	flags := c.Flags()
	flags.BoolVarP(&f.all, "all", "a", false, "everybody's jobs, not only mine")
	flags.StringVarP(&f.user, "user", "u", "", "jobs of this user")
	flags.StringVarP(&f.account, "account", "A", "", "jobs of this account")
	flags.StringVarP(&f.partition, "partition", "p", "", "jobs in this partition")
	flags.StringVarP(&f.name, "name", "n", "", "jobs of this name")
	flags.StringSliceVarP(&f.states, "state", "t", nil, "jobs in these states")
}

// filter is the request for them; without -a and -u they are the caller's.
func (f *jobFlags) filter(ctx context.Context, cl *client.Client, ended bool) (client.JobFilter, error) {
	filter := client.JobFilter{
		User: f.user, Account: f.account, Partition: f.partition, Name: f.name, Ended: &ended,
	}
	for _, s := range f.states {
		filter.States = append(filter.States, api.JobState(strings.ToLower(s)))
	}
	if !f.all && f.user == "" {
		who, err := cl.Whoami(ctx)
		if err != nil {
			return filter, err
		}
		filter.User = who.User
	}
	return filter, nil
}

func newQueue(a *app) *cobra.Command {
	var f jobFlags
	c := &cobra.Command{
		Use: "queue [JOB...]", Aliases: []string{"q"}, Short: "Show what waits and runs (mine; -a: everybody's)",
		RunE: func(c *cobra.Command, args []string) error { return a.queue(c.Context(), f, args) },
	}
	f.add(c)
	return a.reading(c)
}

func (a *app) queue(ctx context.Context, f jobFlags, args []string) error {
	cl, err := a.client()
	if err != nil {
		return err
	}
	refs, err := parseJobRefs(args)
	if err != nil {
		return err
	}
	if len(refs) > 0 {
		f.all = f.user == ""
	}
	filter, err := f.filter(ctx, cl, false)
	if err != nil {
		return err
	}
	filter.IDs = refIDs(refs)
	jobs, err := cl.AllJobs(ctx, filter, queueJobsMax)
	if err != nil {
		return err
	}
	nodes, err := liveNodes(ctx, cl, filter.User, jobs)
	if err != nil {
		return err
	}
	return a.print(nonNil(jobs), func() output.Table { return queueTable(jobs, nodes, f, a.now()) })
}

func refIDs(refs []jobRef) []api.JobID {
	var ids []api.JobID
	for _, r := range refs {
		ids = append(ids, r.ID)
	}
	return ids
}

// nonNil makes an empty list of none, which JSON shows as [].
func nonNil[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// liveNodes says on which nodes each running job is.
func liveNodes(ctx context.Context, cl *client.Client, user string, jobs []api.Job) (map[api.JobID][]string, error) {
	running := false
	for _, job := range jobs {
		running = running || job.Status.State == api.JobRunning
	}
	if !running {
		return nil, nil
	}
	pods, err := cl.AllPods(ctx, client.PodFilter{User: user, Live: new(true)}, queuePodsMax)
	if err != nil {
		return nil, err
	}
	nodes := map[api.JobID][]string{}
	for _, pod := range pods {
		list := nodes[pod.Key.Owner]
		if !slices.Contains(list, pod.Node) {
			nodes[pod.Key.Owner] = append(list, pod.Node)
		}
	}
	return nodes, nil
}

// nodesCell shortens a list of nodes.
func nodesCell(nodes []string) string {
	const shown = 2
	if len(nodes) > shown {
		return fmt.Sprintf("%s +%d", strings.Join(nodes[:shown], ","), len(nodes)-shown)
	}
	return output.OrNone(strings.Join(nodes, ","))
}

func queueTable(jobs []api.Job, nodes map[api.JobID][]string, f jobFlags, now time.Time) output.Table {
	t := output.Table{Empty: "nothing waits or runs", Columns: []output.Column{
		{Name: "JOB", Right: true},
		{Name: "NAME"},
		{Name: "USER", Wide: !f.all},
		{Name: "PARTITION", Wide: true},
		{Name: "STATE", Colour: stateColour},
		{Name: "TIME", Right: true},
		{Name: "LIMIT", Right: true},
		{Name: "CPUS", Right: true},
		{Name: "MEMORY", Right: true},
		{Name: "SUBMITTED", Wide: true},
		{Name: "NODES"},
		{Name: "ABOUT", Shrink: true},
	}}
	for _, job := range jobs {
		t.Rows = append(t.Rows, []string{
			job.ID.String(), job.Spec.Name, job.Spec.Owner.User, job.Spec.Partition, jobState(job),
			elapsedCell(job.Status, now), limitCell(job.Spec.TimeLimitSeconds), api.FormatCPUs(total(job).CPUMillis),
			memoryCell(job), output.Ago(&job.Status.SubmittedAt, now), nodesCell(nodes[job.ID]), aboutCell(job),
		})
	}
	return t
}

// aboutCell tells an array's counts and why something waits.
func aboutCell(job api.Job) string {
	var parts []string
	if job.Spec.Array != "" {
		parts = append(parts, countsCell(job.Status.Counts))
	}
	if job.Status.Counts.Waiting > 0 && (job.Status.Reason != "" || job.Status.Message != "") {
		parts = append(parts, reasonCell(job.Status))
	}
	return output.OrNone(strings.Join(parts, "; "))
}
