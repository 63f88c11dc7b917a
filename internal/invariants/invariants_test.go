package invariants_test

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coxswain-hpc/coxswain/internal/invariants"
)

func TestSometimes(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 2))
	taken := 0
	for range 1000 {
		require.False(t, invariants.Sometimes(rng, 0))
		require.Equal(t, invariants.Enabled, invariants.Sometimes(rng, 100))
		if invariants.Sometimes(rng, 20) {
			taken++
		}
	}
	if invariants.Enabled {
		require.InDelta(t, 200, taken, 60)
	} else {
		require.Zero(t, taken)
	}
}
