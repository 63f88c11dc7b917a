package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/api/client"
	"github.com/coxswain-hpc/coxswain/cli/output"
)

// progressEvery bounds how often a progress line is redrawn.
const progressEvery = 200 * time.Millisecond

func newWait(a *app) *cobra.Command {
	var timeout time.Duration
	c := &cobra.Command{
		Use: "wait JOB...", Short: "Wait for jobs to end; exits with their highest exit code",
		Long: "Wait for jobs or array tasks to end and exit as they did; of several with the highest code.\n\n" +
			exitTableText(),
		Args: args(cobra.MinimumNArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			refs, err := parseJobRefs(args)
			if err != nil {
				return err
			}
			ctx := c.Context()
			if timeout > 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeoutCause(ctx, timeout,
					api.Errorf(api.CodeUnavailable, "not ended within %s", timeout))
				defer cancel()
			}
			return a.waitFor(ctx, refs)
		},
	}
	c.Flags().DurationVar(&timeout, "timeout", 0, "give up after this time")
	return c
}

// waitFor waits for each job in turn: all have ended when the last has. It returns the highest
// exit code as a statusError.
func (a *app) waitFor(ctx context.Context, refs []jobRef) error {
	cl, err := a.client()
	if err != nil {
		return err
	}
	highest := 0
	for _, ref := range refs {
		code, err := a.waitOne(ctx, cl, ref)
		if err != nil {
			return err
		}
		highest = max(highest, code)
	}
	if highest != 0 {
		return statusError{highest}
	}
	return nil
}

func (a *app) waitOne(ctx context.Context, cl *client.Client, ref jobRef) (int, error) {
	if ref.Indices != "" {
		return a.waitTasks(ctx, cl, ref)
	}
	progress := a.newProgress(ref)
	defer progress.clear()
	code := 0
	err := cl.WaitJob(ctx, ref.ID, func(job api.Job) (bool, error) {
		if job.ID != ref.ID {
			return true, errTaskNumber
		}
		progress.show(job, a.now())
		code = jobExit(job)
		return job.Status.State.Ended(), nil
	})
	if errors.Is(err, errTaskNumber) {
		return a.waitTasks(ctx, cl, ref)
	}
	return code, err
}

// errTaskNumber: the number is an array task's own, so not the whole array is meant.
var errTaskNumber = errors.New("an array task's number")

// waitTasks waits until the chosen tasks have ended for good: their newest attempts have, and they
// neither wait nor run.
func (a *app) waitTasks(ctx context.Context, cl *client.Client, ref jobRef) (int, error) {
	code := 0
	err := cl.WaitJob(ctx, ref.ID, func(job api.Job) (bool, error) {
		pods, err := attempts(ctx, cl, ref)
		if err != nil {
			return false, err
		}
		var done bool
		code, done, err = tasksDone(ref, job, pods)
		return done || job.Status.State.Ended(), err
	})
	return code, err
}

func tasksDone(ref jobRef, job api.Job, pods []api.Pod) (code int, done bool, err error) {
	last := map[int64]api.Pod{}
	for _, pod := range pods {
		if old, ok := last[pod.Key.Index]; !ok || pod.Key.Attempt > old.Key.Attempt {
			last[pod.Key.Index] = pod
		}
	}
	want := int64(1)
	if ref.Indices != "" {
		indices, err := api.ParseIndices(ref.Indices)
		if err != nil {
			return 0, false, err
		}
		want = indices.Len()
	}
	for _, pod := range last {
		if !pod.State.Ended() || pod.Live() || job.Status.Waiting.Has(pod.Ordinal) {
			return 0, false, nil
		}
		exit := 0
		if pod.Exit != nil {
			exit = pod.Exit.Code
		}
		code = max(code, stateExit(string(pod.State), exit))
	}
	if job.Status.State == api.JobCancelled && int64(len(last)) < want {
		code = max(code, exitCancelled)
	}
	return code, int64(len(last)) >= want, nil
}

// progress is a line on the terminal that is drawn over again.
type progress struct {
	a     *app
	ref   jobRef
	on    bool
	drawn time.Time
	shown bool
}

func (a *app) newProgress(ref jobRef) *progress { return &progress{a: a, ref: ref, on: a.terminal()} }

func (p *progress) show(job api.Job, now time.Time) {
	if !p.on || now.Sub(p.drawn) < progressEvery && !job.Status.State.Ended() {
		return
	}
	p.drawn, p.shown = now, true
	fmt.Fprintf(p.a.Stderr, "\r\x1b[K%s", progressLine(job, now)) //nolint:errcheck // only progress
}

func (p *progress) clear() {
	if p.shown {
		fmt.Fprint(p.a.Stderr, "\r\x1b[K") //nolint:errcheck // only progress
	}
}

// progressLine is "42 melt: running 0:12  [######······] 6/12, 2 running, 4 waiting".
func progressLine(job api.Job, now time.Time) string {
	line := fmt.Sprintf("%s %s: %s", job.ID, job.Spec.Name, jobState(job))
	if job.Status.StartedAt != nil {
		line += " " + output.Duration(elapsed(job.Status, now))
	}
	if job.Spec.Array != "" {
		return line + "  " + bar(job.Status.Counts) + " " + countsCell(job.Status.Counts)
	}
	if job.Status.State == api.JobPending && job.Status.Reason != "" {
		line += " (" + reasonCell(job.Status) + ")"
	}
	return line
}

func bar(c api.JobCounts) string {
	const width = 20
	size := c.Waiting + c.Live + c.Done()
	if size == 0 {
		return ""
	}
	done := int(c.Done() * width / size)
	return "[" + strings.Repeat("#", done) + strings.Repeat("·", width-done) + "]"
}
