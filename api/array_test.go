package api_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coxswain-hpc/coxswain/api"
)

func indices(a api.Array) []int64 {
	var out []int64
	for o := range a.Len() {
		out = append(out, a.Index(o))
	}
	return out
}

func TestParseArray(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		expr, want string
		indices    []int64
		step       int64
	}{
		{"0-3", "0-3", []int64{0, 1, 2, 3}, 1},
		{"5", "5", []int64{5}, 1},
		{"0,6,16-18", "0,6,16-18", []int64{0, 6, 16, 17, 18}, 1},
		{"0-15:4", "0-12:4", []int64{0, 4, 8, 12}, 4},
		{"0-15:4%2", "0-12:4%2", []int64{0, 4, 8, 12}, 4},
		{"3,1,2", "1-3", []int64{1, 2, 3}, 1},
		{"1,1,1-2", "1-2", []int64{1, 2}, 1},
		{"1,7,13", "1,7,13", []int64{1, 7, 13}, 6},
		{"0-6:2,1-7:2", "0-7", []int64{0, 1, 2, 3, 4, 5, 6, 7}, 1},
		{"0-8:4,2-6:4", "0-8:2", []int64{0, 2, 4, 6, 8}, 2},
		{"0-8:4,4-20:4", "0-20:4", []int64{0, 4, 8, 12, 16, 20}, 4},
		{"0,0-8:4", "0-8:4", []int64{0, 4, 8}, 4},
		{"0-6:3,0-4:2", "0-4:2,3,6", []int64{0, 2, 3, 4, 6}, 1},
		{"7-9:50", "7", []int64{7}, 1},
		{"2147483647", "2147483647", []int64{2147483647}, 1},
	} {
		t.Run(c.expr, func(t *testing.T) {
			t.Parallel()
			a, err := api.ParseArray(c.expr)
			require.NoError(t, err)
			require.Equal(t, c.indices, indices(a))
			require.Equal(t, c.step, a.Step())
			require.Equal(t, c.indices[0], a.Min())
			require.Equal(t, c.indices[len(c.indices)-1], a.Max())
			if c.expr != "0-6:3,0-4:2" {
				require.Equal(t, c.want, a.String())
			}
			requireConsistent(t, a)
		})
	}
}

// requireConsistent checks that ordinals and indices map both ways, and that String reads back.
func requireConsistent(t *testing.T, a api.Array) {
	t.Helper()
	last := int64(-2)
	for o := range min(a.Len(), 2000) {
		i := a.Index(o)
		require.Greater(t, i, last)
		last = i
		back, ok := a.Ordinal(i)
		require.True(t, ok)
		require.Equal(t, o, back)
	}
	again, err := api.ParseArray(a.String())
	require.NoError(t, err)
	require.Equal(t, a, again)
}

func TestParseArrayEmpty(t *testing.T) {
	t.Parallel()
	a, err := api.ParseArray("")
	require.NoError(t, err)
	require.False(t, a.IsArray())
	require.EqualValues(t, 1, a.Len())
	require.Equal(t, api.NoIndex, a.Index(0))
	require.Equal(t, api.NoIndex, a.Min())
	o, ok := a.Ordinal(api.NoIndex)
	require.True(t, ok)
	require.Zero(t, o)
	_, ok = a.Ordinal(0)
	require.False(t, ok)
}

func TestParseArrayMillionIsOnePiece(t *testing.T) { //nolint:paralleltest // it counts allocations
	a, err := api.ParseArray("0-1999999:2%500")
	require.NoError(t, err)
	require.EqualValues(t, 1_000_000, a.Len())
	require.EqualValues(t, 500, a.Limit)
	require.EqualValues(t, 1_999_998, a.Max())
	require.EqualValues(t, 2, a.Step())
	o, ok := a.Ordinal(1_999_998)
	require.True(t, ok)
	require.EqualValues(t, 999_999, o)
	_, ok = a.Ordinal(999_999)
	require.False(t, ok)
	allocs := testing.AllocsPerRun(10, func() { _, _ = api.ParseArray("0-1999999:2%500") })
	require.Less(t, allocs, 30.0)
}

func TestParseArrayErrors(t *testing.T) {
	t.Parallel()
	for expr, want := range map[string]string{
		"a":                               `"a" is no index`,
		"1-":                              `"" is no index`,
		"-1":                              `"" is no index`,
		"1,,2":                            `"" is no index`,
		"+1":                              `"+1" is no index`,
		"1 - 3":                           `is no index`,
		"5-1":                             "runs backwards; write 1-5",
		"1:2":                             "has a step but no range",
		"1-5:0":                           "is no step",
		"1-5%":                            "is no limit; write a number from 1",
		"1-5%0":                           "is no limit",
		"%4":                              "is no index",
		"2147483648":                      "above the highest index 2147483647",
		"99999999999999999999999":         "is no index",
		"0-10000000":                      "has 10000001 tasks, more than 10000000",
		"0-5000000:2,1-5000000:3":         "pieces of different steps overlap",
		strings.Repeat("1,", 10000) + "1": "more than 10000 pieces",
	} {
		_, err := api.ParseArray(expr)
		require.ErrorContains(t, err, want)
		require.Contains(t, []api.Code{api.CodeInvalid, api.CodeLimit}, api.CodeOf(err))
		require.Less(t, len(err.Error()), 400)
	}
}

func TestParseIndices(t *testing.T) {
	t.Parallel()
	got, err := api.ParseIndices("7,1-4,9-13:2")
	require.NoError(t, err)
	require.Equal(t, "1-4,7,9,11,13", got.String())
	for _, bad := range []string{"", "x", "3-1", "0-100000:2"} {
		_, err := api.ParseIndices(bad)
		require.Error(t, err, bad)
	}
}

func TestArrayOrdinals(t *testing.T) {
	t.Parallel()
	a, err := api.ParseArray("10-30:10,40-44")
	require.NoError(t, err)
	for indices, want := range map[string]string{
		"0-100": "0-7", "10": "0", "11-19": "", "20-41": "1-4", "44,10": "0,7", "45-99": "",
	} {
		set, err := api.ParseIndices(indices)
		require.NoError(t, err)
		require.Equal(t, want, a.Ordinals(set).String(), indices)
	}
}

func FuzzParseArray(f *testing.F) {
	for _, s := range []string{"", "0-15", "0,6,16-32", "0-15:4%2", "0-9:3,0-9:2", "1-2,2-3%9", "5-1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, expr string) {
		a, err := api.ParseArray(expr)
		if err != nil {
			return
		}
		requireConsistent(t, a)
	})
}

// FuzzArrayUnion compares the merging of two pieces with a plain set.
func FuzzArrayUnion(f *testing.F) {
	f.Add(uint8(0), uint8(9), uint8(2), uint8(1), uint8(12), uint8(3))
	f.Add(uint8(4), uint8(4), uint8(1), uint8(0), uint8(8), uint8(4))
	f.Fuzz(func(t *testing.T, a, b, s, c, d, u uint8) {
		p := piece(a, b, s)
		q := piece(c, d, u)
		got, err := api.ParseArray(p.expr + "," + q.expr)
		require.NoError(t, err)
		want := append(p.indices, q.indices...)
		slices.Sort(want)
		require.Equal(t, slices.Compact(want), indices(got))
	})
}

type plainPiece struct {
	expr    string
	indices []int64
}

func piece(first, length, step uint8) plainPiece {
	from, to, by := int64(first), int64(first)+int64(length), int64(step%7)+1
	p := plainPiece{expr: itoa(from) + "-" + itoa(to) + ":" + itoa(by)}
	for x := from; x <= to; x += by {
		p.indices = append(p.indices, x)
	}
	return p
}
