package sim_test

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coxswain-hpc/coxswain/internal/sim"
)

// seedsDefault is how many seeds an ordinary test run takes; N sets another number, SEED replays one.
const seedsDefault = 30

func number(t *testing.T, name string) (uint64, bool) {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return 0, false
	}
	n, err := strconv.ParseUint(text, 10, 64)
	require.NoError(t, err, "%s must be a number", name)
	return n, true
}

func TestSim(t *testing.T) {
	t.Parallel()
	first, count := uint64(1), uint64(seedsDefault)
	if n, set := number(t, "N"); set {
		count = n
	}
	if seed, set := number(t, "SEED"); set {
		first = seed
		if os.Getenv("N") == "" {
			count = 1
		}
	}
	var mu sync.Mutex
	sum := sim.Stats{}
	t.Cleanup(func() { checkCoverage(t, sum, count) })
	for seed := first; seed < first+count; seed++ {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			t.Parallel()
			r := sim.Run(t.Context(), sim.Options{Seed: seed, Trace: traceFile(t)})
			if r.Err != nil {
				t.Fatalf("%s\nplan %s\nseed %d: %v\nreplay it: make sim SEED=%d", strings.Join(r.Trace, "\n"), r.Plan,
					seed, r.Err, seed)
			}
			t.Logf("%s of the cluster, %d events, %+v", r.Took, r.Events, r.Stats)
			mu.Lock()
			defer mu.Unlock()
			for what, n := range r.Stats {
				sum[what] += n
			}
		})
	}
}

// met and rarely are what a run of so many seeds must have met: else the simulation passes since nothing
// happens in it.
var (
	met = []string{
		"node suspect", "stepped down", "pause in a commit", "lost answer to commit", "node does start",
		"node does end", "node does stop", "node does forget", "pod running", "pod completed", "pod failed",
		"pod timeout", "pod out_of_memory", "pod cancelled", "pod node_failed", "pod start_failed",
	}
	rarely = []string{
		"node down", "refused unit", "stale report", "fetch", "node does kill", "node does deadline", "pod preempted",
		"pod shim_lost", "pod refused",
	}
)

// seedsMany is from how many seeds on the rare things must be met, too.
const seedsMany = 150

func checkCoverage(t *testing.T, sum sim.Stats, seeds uint64) {
	t.Helper()
	t.Logf("in all: %v", sum)
	if seeds < seedsDefault || t.Failed() {
		return
	}
	expected := met
	if seeds >= seedsMany {
		expected = append(slices.Clone(met), rarely...)
	}
	for _, what := range expected {
		if sum[what] == 0 {
			t.Errorf("%d seeds never met: %s", seeds, what)
		}
	}
}

// traceFile writes the whole trace into the file that TRACE names, for one seed at a time.
func traceFile(t *testing.T) func(string) {
	t.Helper()
	path := os.Getenv("TRACE")
	if path == "" {
		return nil
	}
	f, err := os.Create(path)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, f.Close()) })
	return func(line string) {
		_, err := fmt.Fprintln(f, line)
		require.NoError(t, err)
	}
}

func TestSimRepeats(t *testing.T) {
	t.Parallel()
	for _, seed := range []uint64{3, 8, 11} {
		a, b := sim.Run(t.Context(), sim.Options{Seed: seed}), sim.Run(t.Context(), sim.Options{Seed: seed})
		require.Equal(t, a.Hash, b.Hash, "seed %d", seed)
		require.Equal(t, a.Events, b.Events, "seed %d", seed)
	}
}
