package schedtest_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/scheduler"
	"github.com/coxswain-hpc/coxswain/scheduler/schedtest"
)

// drawNode is a line of the case language.
func drawNode(t *rapid.T, i int) string {
	threads := rapid.SampledFrom([]int{1, 2}).Draw(t, "threads")
	cores := rapid.IntRange(1, 6).Draw(t, "cores")
	line := fmt.Sprintf("node n%02d cpus=%d threads=%d sockets=%d memory=%dG", i, cores*threads, threads,
		rapid.IntRange(1, 2).Draw(t, "sockets"), rapid.IntRange(2, 12).Draw(t, "memory"))
	return line + rapid.SampledFrom([]string{"", "", "", " drained", " state=down"}).Draw(t, "state")
}

func drawJob(t *rapid.T, id int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "job %d cpus=%s memory=%dG time=%dm nice=%d", id,
		rapid.SampledFrom([]string{"0.5", "1", "2", "3", "4"}).Draw(t, "cpus"),
		rapid.IntRange(1, 4).Draw(t, "memory"), rapid.IntRange(1, 90).Draw(t, "minutes"),
		rapid.IntRange(0, 2).Draw(t, "nice"))
	for _, word := range []string{
		"array=0-5", "array=0-9%2", "shared", "exclusive", "held", "nodes=3", "only=n01", "exclude=n00",
	} {
		if rapid.IntRange(0, 5).Draw(t, word) == 0 &&
			(!strings.HasPrefix(word, "array") || !strings.Contains(b.String(), "array")) {
			b.WriteString(" " + word)
		}
	}
	return b.String()
}

// drawCluster draws lines for nodes and jobs.
func drawCluster(t *rapid.T) (nodes, jobs []string) {
	for i := range rapid.IntRange(1, 5).Draw(t, "nodes") {
		nodes = append(nodes, drawNode(t, i))
	}
	for i := range rapid.IntRange(1, 8).Draw(t, "jobs") {
		jobs = append(jobs, drawJob(t, i+1))
	}
	return nodes, jobs
}

func world(t require.TestingT, lines ...[]string) *schedtest.World {
	w := schedtest.NewWorld()
	for _, list := range lines {
		require.NoError(t, w.Add(strings.Join(list, "\n")))
	}
	return w
}

// Every plan passes Check, leaves the view alone and comes out the same twice (schedtest.Cycle); and so
// it stays when earlier plans run on, under any budget.
func TestPlansHold(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		nodes, jobs := drawCluster(t)
		w := world(t, nodes, jobs)
		in := scheduler.Input{
			Now: schedtest.Noon, Budget: rapid.Int64Range(1, 60).Draw(t, "budget"),
			BindsMax: rapid.IntRange(1, 20).Draw(t, "binds"),
		}
		for range 4 {
			plan := schedtest.Cycle(t, w.View(), in)
			w.Keep(plan)
			in.Cursor, in.Holds = plan.Next, plan.Holds
		}
	})
}

// The order in which nodes and jobs are listed changes nothing.
func TestPermutationChangesNothing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		nodes, jobs := drawCluster(t)
		view := world(t, nodes, jobs).View()
		plan := scheduler.Cycle(view, scheduler.Input{Now: schedtest.Noon})
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "shuffle"), 1))
		rng.Shuffle(len(view.Nodes), func(i, j int) { view.Nodes[i], view.Nodes[j] = view.Nodes[j], view.Nodes[i] })
		rng.Shuffle(len(view.Jobs), func(i, j int) { view.Jobs[i], view.Jobs[j] = view.Jobs[j], view.Jobs[i] })
		require.Equal(t, plan, scheduler.Cycle(view, scheduler.Input{Now: schedtest.Noon}))
	})
}

// One more node never places fewer instances of an array, and never keeps the head of the queue out.
// (For many jobs of different shapes no packing in one pass can promise that.)
func TestMoreCapacityNeverUnschedules(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		nodes, jobs := drawCluster(t)
		jobs = jobs[:1]
		before := scheduler.Cycle(world(t, nodes, jobs).View(), scheduler.Input{Now: schedtest.Noon})
		more := append(nodes, drawNode(t, len(nodes)))
		after := scheduler.Cycle(world(t, more, jobs).View(), scheduler.Input{Now: schedtest.Noon})
		require.GreaterOrEqual(t, len(after.Binds), len(before.Binds))
	})
}

// A pool that is kept through the cycle gives the plan that scanning all nodes for every pod gives.
func TestCachesChangeNothing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		nodes, jobs := drawCluster(t)
		all := scheduler.Cycle(world(t, nodes, jobs).View(), scheduler.Input{Now: schedtest.Noon, Policy: noHolds})
		w := world(t, nodes, jobs)
		var one []api.Bind
		for {
			plan := scheduler.Cycle(w.View(), scheduler.Input{Now: schedtest.Noon, BindsMax: 1, Policy: noHolds})
			if len(plan.Binds) == 0 {
				break
			}
			w.Keep(plan)
			one = append(one, plan.Binds...)
		}
		require.Equal(t, all.Binds, one)
	})
}

// noHolds: a fresh cycle counts holds from its own blocked jobs alone, so they would differ here.
var noHolds = scheduler.Policy{Reservations: -1}

// What Explain says agrees with what Cycle does: a job that it calls startable starts.
func TestExplainAgreesWithCycle(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		nodes, jobs := drawCluster(t)
		view := world(t, nodes, jobs).View()
		in := scheduler.Input{Now: schedtest.Noon}
		started := map[api.JobID]bool{}
		for _, b := range scheduler.Cycle(view, in).Binds {
			started[b.Job] = true
		}
		for _, j := range view.Jobs {
			e, ok := scheduler.Explain(view, in, j.ID, api.NoIndex)
			require.True(t, ok)
			require.Equal(t, started[j.ID], len(e.Reasons) == 0, "job %d: %+v", j.ID, e)
		}
	})
}
