package cli

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/api/client"
	"github.com/coxswain-hpc/coxswain/cli/output"
)

func newWhy(a *app) *cobra.Command {
	return a.reading(&cobra.Command{
		Use: "why JOB...", Short: "Explain why a job waits, or why it ended as it did",
		Args: args(cobra.MinimumNArgs(1)),
		RunE: func(c *cobra.Command, args []string) error { return a.why(c, args) },
	})
}

func (a *app) why(c *cobra.Command, args []string) error {
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
	for _, ref := range refs {
		if err := a.whyOne(c, cl, p, ref); err != nil {
			return err
		}
	}
	return nil
}

func (a *app) whyOne(c *cobra.Command, cl *client.Client, p output.Printer, ref jobRef) error {
	index, err := ref.index()
	if err != nil {
		return err
	}
	e, err := cl.Why(c.Context(), ref.ID, index)
	if err != nil {
		return err
	}
	if p.Format == output.FormatJSON || p.Format == output.FormatYAML {
		return p.Print(e, nil)
	}
	return a.say("%s", strings.TrimRight(whyText(p, e, a.now()), "\n"))
}

// whyText writes an explanation as a person would tell it.
func whyText(p output.Printer, e api.Explanation, now time.Time) string {
	var b strings.Builder
	b.WriteString(p.Paint(stateColour(e.State), e.Summary) + "\n")
	for _, r := range e.Reasons {
		if r.Message == e.Summary && r.Nodes == 0 && r.Until == nil {
			continue // said already
		}
		fmt.Fprintf(&b, "  %s: %s%s\n", strings.ReplaceAll(string(r.Reason), "_", " "), r.Message, reasonExtra(r, now))
	}
	if e.Rank > 0 {
		fmt.Fprintf(&b, "  place in the queue: %d (%s ahead)\n", e.Rank, plural(e.Ahead, "job"))
	}
	if e.PredictedStart != nil {
		fmt.Fprintf(&b, "  start expected: %s\n", timeLine(e.PredictedStart, now))
	}
	for _, s := range e.Suggestions {
		fmt.Fprintf(&b, "  to start sooner: %s\n", s)
	}
	return b.String()
}

func reasonExtra(r api.ExplainReason, now time.Time) string {
	var parts []string
	if r.Nodes > 0 {
		parts = append(parts, plural(int64(r.Nodes), "node"))
	}
	if r.Until != nil {
		parts = append(parts, "until "+timeLine(r.Until, now))
	}
	if len(parts) == 0 {
		return ""
	}
	return " [" + strings.Join(parts, ", ") + "]"
}
