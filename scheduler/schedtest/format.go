package schedtest

import (
	"fmt"
	"strings"

	"github.com/coxswain-hpc/coxswain/api"
)

// Format prints a plan: binds, holds, reasons, and where to resume.
func Format(p api.Plan) string {
	var b strings.Builder
	for i := 0; i < len(p.Binds); {
		i += formatBinds(&b, p.Binds[i:])
	}
	for _, h := range p.Holds {
		fmt.Fprintf(&b, "hold %s of %s for %d from %s\n",
			formatResources(h.Resources), h.Node, h.Job, offset(h.Until))
	}
	for _, r := range p.Reasons {
		fmt.Fprintf(&b, "reason %d %s: %s\n", r.Job, orNone(r.Reason), r.Message)
	}
	if p.Next != nil {
		fmt.Fprintf(&b, "next after %d\n", p.Next.After)
	}
	if b.Len() == 0 {
		return "nothing\n"
	}
	return b.String()
}

// formatBinds prints a run of equal shared binds as one line, others one by one; it returns how many
// it printed.
func formatBinds(b *strings.Builder, binds []api.Bind) int {
	first, n := binds[0], 1
	for n < len(binds) && first.CPUs == "" && binds[n].Job == first.Job && binds[n].Node == first.Node &&
		binds[n].Resources == first.Resources && binds[n].Rank == 0 && binds[n].Ordinal == first.Ordinal+int64(n) {
		n++
	}
	name := itoa(int64(first.Job)) + "." + itoa(first.Ordinal)
	if n > 1 {
		name += "-" + itoa(first.Ordinal+int64(n)-1)
	}
	if first.Rank != 0 {
		name += "/" + itoa(int64(first.Rank))
	}
	fmt.Fprintf(b, "bind %s on %s %s %s", name, first.Node, first.Class, formatResources(first.Resources))
	if first.CPUs != "" {
		fmt.Fprintf(b, " ids %s", first.CPUs)
	}
	b.WriteByte('\n')
	return n
}

func formatResources(r api.Resources) string {
	memory := strings.ReplaceAll(api.FormatBytes(r.MemoryBytes), " ", "")
	return fmt.Sprintf("cpus=%s memory=%s", api.FormatCPUs(r.CPUMillis), memory)
}

func orNone(r api.Reason) string {
	if r == api.ReasonNone {
		return "none"
	}
	return string(r)
}

// FormatExplanation prints an explanation.
func FormatExplanation(e api.Explanation) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\nrank %d ahead %d\n", e.Summary, e.Rank, e.Ahead)
	for _, r := range e.Reasons {
		fmt.Fprintf(&b, "- %s: %s", r.Reason, r.Message)
		if r.Nodes > 0 {
			fmt.Fprintf(&b, " (%d nodes)", r.Nodes)
		}
		if r.Until != nil {
			fmt.Fprintf(&b, " until %s", offset(*r.Until))
		}
		b.WriteByte('\n')
	}
	if e.PredictedStart != nil {
		fmt.Fprintf(&b, "starts %s\n", offset(*e.PredictedStart))
	}
	for _, s := range e.Suggestions {
		fmt.Fprintf(&b, "try: %s\n", s)
	}
	return b.String()
}
