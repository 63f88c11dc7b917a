package store

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/coxswain-hpc/coxswain/api"
)

func anyRanges(t *rapid.T) api.Ranges {
	list := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) api.Range {
		from := rapid.Int64Range(0, 1000).Draw(t, "from")
		return api.Range{From: from, To: from + rapid.Int64Range(0, 9).Draw(t, "length")}
	}), 0, 20).Draw(t, "ranges")
	return api.RangesOf(list...)
}

func TestRangesRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := anyRanges(t)
		packed, err := encodeRanges{}.Encode(want, nil)
		require.NoError(t, err)
		got, err := decodeRanges(packed)
		require.NoError(t, err)
		require.Equal(t, want, got)
	})
}

// What the wire can hold and our sets can't (unbounded pieces, cut bytes) is an error.
func TestDecodeRangesRefuses(t *testing.T) {
	t.Parallel()
	good, err := encodeRanges{}.Encode(api.Ranges{{From: 1, To: 2}}, nil)
	require.NoError(t, err)
	unbounded := append([]byte{}, good...)
	unbounded[8] = 0x12
	for _, src := range [][]byte{nil, good[:3], good[:len(good)-1], unbounded} {
		_, err := decodeRanges(src)
		require.Error(t, err)
	}
}

func TestRangesText(t *testing.T) {
	t.Parallel()
	require.Equal(t, "{}", rangesText(nil))
	require.Equal(t, "{[0,5),[7,8)}", rangesText(api.Ranges{{From: 0, To: 5}, {From: 7, To: 8}}))
}

func TestEnvironmentRoundTrip(t *testing.T) {
	t.Parallel()
	for _, want := range [][]string{nil, {""}, {"A=1"}, {"A=", "", "F=() {\n  x\n}"}} {
		require.Equal(t, want, unpackEnvironment(packEnvironment(want)))
	}
}

func TestFoldReports(t *testing.T) {
	t.Parallel()
	k := api.PodKey{Instance: api.Instance{Owner: 1, Index: api.NoIndex}, Attempt: 1}
	folded, stale := foldReports([]api.PodReport{
		{Key: k, State: api.PodRunning}, {Key: k, State: api.PodCompleted}, {Key: k, State: api.PodRunning},
	})
	require.Len(t, folded, 1)
	require.Equal(t, api.PodCompleted, folded[0].State)
	require.NotNil(t, folded[0].StartedAt)
	require.Equal(t, []api.PodKey{k}, stale)
}
