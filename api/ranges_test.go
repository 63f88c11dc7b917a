package api_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/coxswain-hpc/coxswain/api"
)

// universe bounds the ordinals of the property tests, so that a plain map can be the model.
const universe = 40

func drawRanges(t *rapid.T, label string) (api.Ranges, map[int64]bool) {
	model := map[int64]bool{}
	var list []api.Range
	for _, from := range rapid.SliceOfN(rapid.Int64Range(0, universe), 0, 6).Draw(t, label) {
		to := rapid.Int64Range(from, universe).Draw(t, label+" to")
		list = append(list, api.Range{From: from, To: to})
		for x := from; x < to; x++ {
			model[x] = true
		}
	}
	return api.RangesOf(list...), model
}

func requireSame(t *rapid.T, got api.Ranges, want func(int64) bool) {
	for x := int64(-1); x <= universe+1; x++ {
		if got.Has(x) != want(x) {
			t.Fatalf("ordinal %d: in %q is %v", x, got, got.Has(x))
		}
	}
	for i, r := range got {
		if r.From >= r.To || i > 0 && got[i-1].To >= r.From {
			t.Fatalf("not normal: %v", got)
		}
	}
}

func TestRangesAgainstAMapOfOrdinals(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, inA := drawRanges(t, "a")
		b, inB := drawRanges(t, "b")
		n := rapid.Int64Range(0, universe).Draw(t, "n")
		x := rapid.Int64Range(0, universe).Draw(t, "x")
		requireSame(t, a, func(x int64) bool { return inA[x] })
		requireSame(t, a.Union(b), func(x int64) bool { return inA[x] || inB[x] })
		requireSame(t, a.Minus(b), func(x int64) bool { return inA[x] && !inB[x] })
		requireSame(t, a.Intersect(b), func(x int64) bool { return inA[x] && inB[x] })
		requireSame(t, a.Add(x), func(y int64) bool { return inA[y] || y == x })
		requireSame(t, a.Remove(x), func(y int64) bool { return inA[y] && y != x })
		if a.Len() != int64(len(inA)) {
			t.Fatalf("len %d, want %d", a.Len(), len(inA))
		}
		taken, rest := a.TakeLowest(n)
		if taken.Len() != min(n, a.Len()) || len(taken.Intersect(rest)) != 0 {
			t.Fatalf("take %d of %q: %q and %q", n, a, taken, rest)
		}
		if len(taken) > 0 && len(rest) > 0 && taken[len(taken)-1].To > rest[0].From {
			t.Fatalf("%q is not below %q", taken, rest)
		}
		requireSame(t, taken.Union(rest), func(x int64) bool { return inA[x] })
	})
}

func TestRangesText(t *testing.T) {
	t.Parallel()
	s := api.RangesOf(api.Range{From: 0, To: 5}, api.Range{From: 7, To: 8})
	require.Equal(t, "0-4,7", s.String())
	b, err := json.Marshal(s)
	require.NoError(t, err)
	require.Equal(t, `"0-4,7"`, string(b))
	var back api.Ranges
	require.NoError(t, json.Unmarshal(b, &back))
	require.Equal(t, s, back)
	for _, bad := range []string{"x", "3-1", "1-", "-1", "1,,2"} {
		_, err := api.ParseRanges(bad)
		require.Error(t, err, bad)
	}
}
