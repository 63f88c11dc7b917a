package cli

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/api/client"
	"github.com/coxswain-hpc/coxswain/cli/output"
)

// jobAttemptsShown bounds the attempts under a job's details; history shows them all.
const jobAttemptsShown = 20

// jobDetails is a job with its attempts.
type jobDetails struct {
	api.Job
	Pods []api.Pod `json:"pods"`
}

// newJob is `cox job 42` as well as the noun: cox job list, cox job show 42.
func newJob(a *app) *cobra.Command {
	c := noun("job", "Jobs: cox job 42 shows one in detail",
		a.jobShow(), a.jobList(), newSubmit(a), newWait(a), newCancel(a), newHold(a), newRelease(a), newRequeue(a),
		newUpdate(a), newSignal(a), newWhy(a), newLogs(a))
	c.Use = "job [JOB...]"
	c.Args = cobra.ArbitraryArgs
	c.RunE = func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			return c.Help()
		}
		return a.showJobs(c.Context(), args)
	}
	return a.reading(c)
}

func (a *app) jobShow() *cobra.Command {
	return a.reading(&cobra.Command{
		Use: "show JOB...", Short: "Show jobs in detail", Args: args(cobra.MinimumNArgs(1)),
		RunE: func(c *cobra.Command, args []string) error { return a.showJobs(c.Context(), args) },
	})
}

func (a *app) jobList() *cobra.Command {
	c := newQueue(a)
	c.Use, c.Aliases = "list [JOB...]", nil
	return c
}

func (a *app) showJobs(ctx context.Context, args []string) error {
	refs, err := parseJobRefs(args)
	if err != nil {
		return err
	}
	cl, err := a.client()
	if err != nil {
		return err
	}
	p, err := a.printer()
	if err != nil {
		return err
	}
	for i, ref := range refs {
		details, err := jobWithPods(ctx, cl, ref)
		if err != nil {
			return err
		}
		if p.Format == output.FormatJSON || p.Format == output.FormatYAML {
			err = p.Print(details, nil)
		} else {
			err = a.showJob(p, details, i > 0)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func jobWithPods(ctx context.Context, cl *client.Client, ref jobRef) (jobDetails, error) {
	job, err := cl.Job(ctx, ref.ID)
	if err != nil {
		return jobDetails{}, err
	}
	pods, err := attempts(ctx, cl, ref)
	return jobDetails{Job: job, Pods: nonNil(pods)}, err
}

func (a *app) showJob(p output.Printer, d jobDetails, more bool) error {
	var b strings.Builder
	if more {
		b.WriteByte('\n')
	}
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, line := range jobLines(d.Job, a.now()) {
		fmt.Fprintf(w, "%s\t%s\n", line[0], line[1]) //nolint:errcheck // into memory
	}
	w.Flush() //nolint:errcheck // into memory
	if _, err := fmt.Fprint(a.Stdout, b.String()); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	if len(d.Pods) == 0 {
		return nil
	}
	shown := d.Pods[max(0, len(d.Pods)-jobAttemptsShown):]
	if err := a.say(""); err != nil {
		return err
	}
	if err := p.Table(attemptsTable(shown, a.now())); err != nil {
		return err
	}
	if hidden := len(d.Pods) - len(shown); hidden > 0 {
		return a.say("and %s before; `cox history %s` shows all", plural(int64(hidden), "attempt"), d.ID)
	}
	return nil
}

// jobLines are the facts of a job, one a line; what is not set is left out.
func jobLines(job api.Job, now time.Time) [][2]string {
	s, st := job.Spec, job.Status
	main := api.Container{}
	if len(s.Roles) > 0 {
		main = s.Roles[0].Template.Main()
	}
	lines := [][2]string{
		{"Job", fmt.Sprintf("%s  %s", job.ID, s.Name)},
		{"Owner", fmt.Sprintf("%s (uid %d)", s.Owner.User, s.Owner.UID)},
		{"State", stateLine(job)},
		{"Account", fmt.Sprintf("%s, partition %s, QOS %s", s.Account, s.Partition, s.QOS)},
		{"Asks for", fmt.Sprintf("%s CPU, %s, %s", api.FormatCPUs(total(job).CPUMillis), memoryCell(job),
			limitCell(s.TimeLimitSeconds))},
		{"Array", s.Array},
		{"Tasks", arrayCounts(job)},
		{"Depends on", dependenciesLine(s)},
		{"Begins", timeLine(s.BeginAt, now)},
		{"Submitted", timeLine(&st.SubmittedAt, now) + fromLine(s)},
		{"Started", timeLine(st.StartedAt, now)},
		{"Ended", timeLine(st.EndedAt, now)},
		{"Elapsed", strings.Trim(elapsedCell(st, now), output.None)},
		{"Restarts", countLine(int64(st.Restarts))},
		{"Command", strings.Join(append(append([]string{}, main.Command...), main.Args...), " ")},
		{"Directory", main.WorkingDir},
		{"Output", main.Stdout},
		{"Errors", main.Stderr},
		{"Comment", s.Comment},
	}
	for _, note := range s.Notes {
		lines = append(lines, [2]string{"Note", note})
	}
	return dropEmpty(lines)
}

func dropEmpty(lines [][2]string) [][2]string {
	var kept [][2]string
	for _, l := range lines {
		if l[1] != "" {
			kept = append(kept, l)
		}
	}
	return kept
}

func stateLine(job api.Job) string {
	line := jobState(job)
	if job.Status.State.Ended() && job.Status.State != api.JobCompleted {
		line += fmt.Sprintf(", exit code %d", job.Status.ExitCode)
	}
	if job.Status.Message != "" {
		line += ": " + firstLine(job.Status.Message)
	} else if job.Status.Reason != "" && job.Status.State != api.JobCompleted {
		line += " (" + string(job.Status.Reason) + ")"
	}
	return line
}

func arrayCounts(job api.Job) string {
	if job.Spec.Array == "" {
		return ""
	}
	return countsCell(job.Status.Counts)
}

func dependenciesLine(s api.JobSpec) string {
	parts := make([]string, len(s.Dependencies))
	for i, d := range s.Dependencies {
		parts[i] = string(d.Kind)
		if d.On != 0 {
			parts[i] += ":" + api.Instance{Owner: d.On, Index: d.OnIndex}.String()
		}
	}
	sep := ", "
	if s.DependencyAny {
		sep = " or "
	}
	return strings.Join(parts, sep)
}

func timeLine(t *time.Time, now time.Time) string {
	if t == nil || t.IsZero() {
		return ""
	}
	return fmt.Sprintf("%s (%s)", t.Local().Format("2006-01-02 15:04:05"), output.Ago(t, now))
}

func fromLine(s api.JobSpec) string {
	if s.SubmitHost == "" {
		return ""
	}
	return " on " + s.SubmitHost
}

func countLine(n int64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatInt(n, 10)
}
