package sim_test

import (
	"fmt"
	"os"
	"strconv"
	"strings"
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
	for seed := first; seed < first+count; seed++ {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			r := sim.Run(sim.Options{Seed: seed, Trace: traceFile(t)})
			if r.Err != nil {
				t.Fatalf("%s\nplan %s\nseed %d: %v\nreplay it: make sim SEED=%d", strings.Join(r.Trace, "\n"), r.Plan, seed, r.Err, seed)
			}
			t.Logf("%s of the cluster, %d events, %+v", r.Took, r.Events, r.Stats)
		})
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
	return func(line string) { fmt.Fprintln(f, line) }
}

func TestSimRepeats(t *testing.T) {
	t.Parallel()
	for _, seed := range []uint64{3, 8, 11} {
		a, b := sim.Run(sim.Options{Seed: seed}), sim.Run(sim.Options{Seed: seed})
		require.Equal(t, a.Hash, b.Hash, "seed %d", seed)
		require.Equal(t, a.Events, b.Events, "seed %d", seed)
	}
}
