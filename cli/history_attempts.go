package cli

import (
	"context"
	"strconv"
	"time"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/api/client"
	"github.com/coxswain-hpc/coxswain/cli/output"
)

// historyOf shows every attempt of the named jobs.
func (a *app) historyOf(ctx context.Context, args []string) error {
	refs, err := parseJobRefs(args)
	if err != nil {
		return err
	}
	cl, err := a.client()
	if err != nil {
		return err
	}
	var pods []api.Pod
	for _, ref := range refs {
		list, err := attempts(ctx, cl, ref)
		if err != nil {
			return err
		}
		pods = append(pods, list...)
	}
	return a.print(nonNil(pods), func() output.Table { return attemptsTable(pods, a.now()) })
}

func attempts(ctx context.Context, cl *client.Client, ref jobRef) ([]api.Pod, error) {
	job, err := cl.Job(ctx, ref.ID)
	if err != nil {
		return nil, err
	}
	pods, err := cl.AllPods(ctx, client.PodFilter{Job: job.ID}, historyPodsMax)
	if err != nil {
		return nil, err
	}
	keep, err := refSelects(ref, job)
	if err != nil {
		return nil, err
	}
	var chosen []api.Pod
	for _, pod := range pods {
		if keep(pod) {
			chosen = append(chosen, pod)
		}
	}
	return chosen, nil
}

// refSelects says which pods of a job a reference means: all, some indices, or the task whose own
// number was given.
func refSelects(ref jobRef, job api.Job) (func(api.Pod) bool, error) {
	if ref.Indices == "" {
		return func(p api.Pod) bool { return ref.ID == job.ID || p.TaskID == ref.ID }, nil
	}
	indices, err := api.ParseIndices(ref.Indices)
	if err != nil {
		return nil, err
	}
	return func(p api.Pod) bool { return indices.Has(p.Key.Index) }, nil
}

func attemptsTable(pods []api.Pod, now time.Time) output.Table {
	t := output.Table{Empty: "nothing of it has started yet", Columns: []output.Column{
		{Name: "TASK", Right: true},
		{Name: "ATTEMPT", Right: true, Wide: !retried(pods)},
		{Name: "NUMBER", Right: true, Wide: true},
		{Name: "STATE", Colour: stateColour},
		{Name: "EXIT", Right: true},
		{Name: "ELAPSED", Right: true},
		{Name: "CPU TIME", Right: true},
		{Name: "PEAK MEMORY", Right: true},
		{Name: "NODE"},
		{Name: "CPUS", Wide: true},
		{Name: "STARTED", Wide: true},
		{Name: "ABOUT", Shrink: true},
	}}
	for _, pod := range pods {
		t.Rows = append(t.Rows, attemptRow(pod, now))
	}
	return t
}

func retried(pods []api.Pod) bool {
	for _, pod := range pods {
		if pod.Key.Attempt > 1 {
			return true
		}
	}
	return false
}

func attemptRow(pod api.Pod, now time.Time) []string {
	cpu, peak, took, about := output.None, output.None, output.None, output.None
	switch {
	case pod.Exit != nil:
		u := pod.Exit.Usage
		cpu, peak, took = cpuCell(u), peakCell(u), output.Seconds(u.ElapsedSeconds)
		if pod.State != api.PodCompleted {
			about = output.OrNone(firstLine(pod.Exit.Message))
		}
	case pod.StartedAt != nil:
		took = output.Duration(now.Sub(*pod.StartedAt))
	}
	cpus := pod.CPUs
	if cpus == "" {
		cpus = api.FormatCPUs(pod.Resources.CPUMillis)
	}
	return []string{
		pod.Key.Instance.String(), strconv.Itoa(int(pod.Key.Attempt)), pod.TaskID.String(), string(pod.State),
		exitCell(pod.Exit), took, cpu, peak, pod.Node, cpus, output.Ago(pod.StartedAt, now), about,
	}
}
