package schedtest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/scheduler"
)

// Run runs one case file. Every plan must pass scheduler.Check, come out the same twice, and leave the
// view as it was.
func Run(t *testing.T, path string) {
	t.Helper()
	w := NewWorld()
	datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
		t.Helper()
		switch d.Cmd {
		case "world":
			w = NewWorld()
			require.NoError(t, w.Add(d.Input), d.Pos)
			return ""
		case "add":
			require.NoError(t, w.Add(d.Input), d.Pos)
			return ""
		case "cycle":
			return runCycle(t, w, d)
		case "explain":
			return runExplain(t, w, d)
		case "impossible":
			return runImpossible(t, w, d)
		}
		d.Fatalf(t, "unknown command %s", d.Cmd)
		return ""
	})
}

func runCycle(t *testing.T, w *World, d *datadriven.TestData) string {
	t.Helper()
	in := scheduler.Input{Now: Noon}
	d.MaybeScanArgs(t, "budget", &in.Budget)
	d.MaybeScanArgs(t, "binds", &in.BindsMax)
	d.MaybeScanArgs(t, "reservations", &in.Policy.Reservations)
	var resume int64
	if d.MaybeScanArgs(t, "after", &resume) {
		in.Cursor = &api.CycleCursor{After: api.JobID(resume)}
	}
	plan := Cycle(t, w.View(), in)
	out := Format(plan)
	if d.HasArg("keep") {
		w.Keep(plan)
	}
	return out
}

// Cycle runs a cycle with all checks that hold for every plan.
func Cycle(t require.TestingT, view scheduler.View, in scheduler.Input) api.Plan {
	before := books(view)
	plan := scheduler.Cycle(view, in)
	require.Equal(t, before, books(view), "Cycle must leave the view as it was")
	require.NoError(t, scheduler.Check(view, plan))
	require.Equal(t, plan, scheduler.Cycle(view, in), "equal inputs must give equal plans")
	return plan
}

func books(view scheduler.View) string {
	var b strings.Builder
	for _, n := range view.Nodes {
		fmt.Fprintln(&b, n.Name, n.Used(), n.Held())
	}
	return b.String()
}

func runExplain(t *testing.T, w *World, d *datadriven.TestData) string {
	t.Helper()
	var job int64
	index := api.NoIndex
	d.ScanArgs(t, "job", &job)
	d.MaybeScanArgs(t, "index", &index)
	view := w.View()
	before := books(view)
	e, ok := scheduler.Explain(view, scheduler.Input{Now: Noon}, api.JobID(job), index)
	require.Equal(t, before, books(view), "Explain must leave the view as it was")
	if !ok {
		return "nothing waits there\n"
	}
	return FormatExplanation(e)
}

func runImpossible(t *testing.T, w *World, d *datadriven.TestData) string {
	t.Helper()
	_, _, a, err := splitLine("job 1 " + strings.TrimSpace(d.Input))
	require.NoError(t, err)
	sentence, impossible := scheduler.Impossible(w.View(), parseSpec(a))
	if !impossible {
		return "possible\n"
	}
	return sentence + "\n"
}
