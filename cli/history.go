package cli

import (
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/api/client"
	"github.com/coxswain-hpc/coxswain/cli/output"
)

// Bounds of what history reads.
const (
	historyJobs     = 30
	historyPodsMax  = 20_000 // attempts of one job that are summed up or shown
	historyParallel = 8
)

// accounting is what a job has used, summed over its attempts.
type accounting struct {
	Job      api.Job `json:"job"`
	Attempts int     `json:"attempts"`
	// Usage has the sum of CPU times and the highest peak.
	Usage api.Usage `json:"usage"`
}

func newHistory(a *app) *cobra.Command {
	var f jobFlags
	c := &cobra.Command{
		Use: "history [JOB...]", Aliases: []string{"hist"},
		Short: "Show ended jobs with what they used; of named jobs every attempt",
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				return a.historyOf(c.Context(), args)
			}
			return a.history(c.Context(), f)
		},
	}
	f.add(c)
	c.Flags().IntVar(&f.limit, "limit", historyJobs, "how many jobs, the latest first")
	return a.reading(c)
}

func (a *app) history(ctx context.Context, f jobFlags) error {
	cl, err := a.client()
	if err != nil {
		return err
	}
	filter, err := f.filter(ctx, cl, true)
	if err != nil {
		return err
	}
	filter.Limit = min(f.limit, 1000)
	jobs, err := cl.AllJobs(ctx, filter, f.limit)
	if err != nil {
		return err
	}
	list, err := accountJobs(ctx, cl, jobs)
	if err != nil {
		return err
	}
	return a.print(nonNil(list), func() output.Table { return historyTable(list, f.all, a.now()) })
}

func accountJobs(ctx context.Context, cl *client.Client, jobs []api.Job) ([]accounting, error) {
	list := make([]accounting, len(jobs))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(historyParallel)
	for i, job := range jobs {
		group.Go(func() error {
			pods, err := cl.AllPods(ctx, client.PodFilter{Job: job.ID}, historyPodsMax)
			list[i] = sumUp(job, pods)
			return err
		})
	}
	return list, group.Wait() //nolint:wrapcheck // the client's errors are whole sentences
}

func sumUp(job api.Job, pods []api.Pod) accounting {
	sum := accounting{Job: job, Attempts: len(pods)}
	for _, pod := range pods {
		if pod.Exit == nil {
			continue
		}
		u := pod.Exit.Usage
		sum.Usage.CPUSeconds += u.CPUSeconds
		sum.Usage.CPUUserSeconds += u.CPUUserSeconds
		sum.Usage.CPUSystemSeconds += u.CPUSystemSeconds
		sum.Usage.ElapsedSeconds += u.ElapsedSeconds
		sum.Usage.PeakMemoryBytes = max(sum.Usage.PeakMemoryBytes, u.PeakMemoryBytes)
		for _, missing := range u.Missing {
			if !slices.Contains(sum.Usage.Missing, missing) {
				sum.Usage.Missing = append(sum.Usage.Missing, missing)
			}
		}
	}
	return sum
}

func historyTable(list []accounting, all bool, now time.Time) output.Table {
	t := output.Table{Empty: "no job has ended yet", Columns: []output.Column{
		{Name: "JOB", Right: true},
		{Name: "NAME"},
		{Name: "USER", Wide: !all},
		{Name: "STATE", Colour: stateColour},
		{Name: "EXIT", Right: true},
		{Name: "ELAPSED", Right: true},
		{Name: "CPU TIME", Right: true},
		{Name: "PEAK MEMORY", Right: true},
		{Name: "REQUESTED", Right: true, Wide: true},
		{Name: "ATTEMPTS", Right: true, Wide: true},
		{Name: "ENDED"},
		{Name: "ABOUT", Shrink: true},
	}}
	for _, h := range list {
		t.Rows = append(t.Rows, []string{
			h.Job.ID.String(), h.Job.Spec.Name, h.Job.Spec.Owner.User, string(h.Job.Status.State),
			strconv.Itoa(h.Job.Status.ExitCode), elapsedCell(h.Job.Status, now), cpuCell(h.Usage), peakCell(h.Usage),
			memoryCell(h.Job), strconv.Itoa(h.Attempts), output.Ago(h.Job.Status.EndedAt, now), endedCell(h.Job),
		})
	}
	return t
}

func endedCell(job api.Job) string {
	if job.Spec.Array != "" && job.Status.State != api.JobCompleted {
		return countsCell(job.Status.Counts)
	}
	if job.Status.State == api.JobCompleted {
		return output.None
	}
	return reasonCell(job.Status)
}

// cpuCell and peakCell never show what was not measured as a zero.
func cpuCell(u api.Usage) string {
	if slices.Contains(u.Missing, "cpu") || slices.Contains(u.Missing, "cpu_seconds") {
		return "?"
	}
	return output.Seconds(u.CPUSeconds)
}

func peakCell(u api.Usage) string {
	if slices.Contains(u.Missing, "memory") || slices.Contains(u.Missing, "peak_memory_bytes") {
		return "?"
	}
	return api.FormatBytes(u.PeakMemoryBytes)
}
