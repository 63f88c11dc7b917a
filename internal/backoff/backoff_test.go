package backoff_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coxswain-hpc/coxswain/internal/backoff"
)

func rng(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, seed)) }

func TestWaitGrowsAndIsCapped(t *testing.T) {
	t.Parallel()
	policy := backoff.Policy{Min: 100 * time.Millisecond, Max: time.Second}
	for failures, full := range map[int]time.Duration{
		0: 100 * time.Millisecond, 1: 100 * time.Millisecond, 2: 200 * time.Millisecond,
		4: 800 * time.Millisecond, 5: time.Second, 1 << 40: time.Second,
	} {
		for seed := range uint64(50) {
			wait := policy.Wait(failures, rng(seed))
			require.GreaterOrEqual(t, wait, full/2, "after %d failures", failures)
			require.LessOrEqual(t, wait, full, "after %d failures", failures)
		}
	}
}

func TestWaitIsSpreadAndReplayable(t *testing.T) {
	t.Parallel()
	policy := backoff.Policy{Min: time.Second, Max: time.Minute}
	seen := map[time.Duration]bool{}
	for seed := range uint64(100) {
		seen[policy.Wait(3, rng(seed))] = true
		again := policy.Wait(3, rng(seed))
		require.True(t, seen[again])
	}
	require.Greater(t, len(seen), 90)
}

func TestZeroPolicyAndMaxBelowMin(t *testing.T) {
	t.Parallel()
	require.Zero(t, backoff.Policy{}.Wait(7, rng(1)))
	require.GreaterOrEqual(t, backoff.Policy{Min: time.Second}.Wait(9, rng(1)), time.Second/2)
}

func TestBackoffCounts(t *testing.T) {
	t.Parallel()
	b := backoff.New(backoff.Policy{Min: time.Second, Max: 4 * time.Second}, rng(1))
	require.LessOrEqual(t, b.Next(), time.Second)
	require.Greater(t, b.Next(), time.Second-1)
	require.Equal(t, 2, b.Failures())
	b.Reset()
	require.Zero(t, b.Failures())
	require.LessOrEqual(t, b.Next(), time.Second)
}
