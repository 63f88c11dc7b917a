package daemon

import (
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coxswain-hpc/coxswain/scheduler/loop"
)

func TestTheSchedulersMetricsAreDocumentedAndRead(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/metrics.md")
	require.NoError(t, err)
	read := func() loop.Metrics { return loop.Metrics{Steps: 7, StepTime: 2 * time.Second, Live: 3} }
	values := map[string]float64{}
	for _, m := range loopMeasures(func() bool { return true }, read) {
		require.Contains(t, string(page), "| `"+m.Name+"` |")
		require.NotEmpty(t, m.Help, m.Name)
		values[m.Name] = m.Value()
	}
	require.InDelta(t, 1, values["cox_scheduler_leading"], 0)
	require.InDelta(t, 7, values["cox_scheduler_steps_total"], 0)
	require.InDelta(t, 2, values["cox_scheduler_step_seconds_total"], 0)
	require.InDelta(t, 3, values["cox_scheduler_live"], 0)
}
