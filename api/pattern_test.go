package api_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coxswain-hpc/coxswain/api"
)

func TestExpandPattern(t *testing.T) {
	t.Parallel()
	task := api.PatternVars{
		JobID: 128, ArrayJobID: 100, Index: 27, Node: "n1.cluster.org", NodeRank: 2, Step: "0", Task: 3,
		User: "ada", JobName: "sweep",
	}
	plain := api.PatternVars{JobID: 128, Index: api.NoIndex, User: "ada", JobName: "one"}
	for _, c := range []struct {
		pattern, want string
		vars          api.PatternVars
	}{
		{"slurm-%A_%a.out", "slurm-100_27.out", task},
		{"%j %J %b %N %n %s %t %u %x", "128 128.0 7 n1 2 0 3 ada sweep", task},
		{"%4a-%04t-%6j", "0027-0003-000128", task},
		{"%1a", "27", task},
		{"%99a", "0000000027", task},
		{"%8u", "ada", task},
		{"100%%-%j", "100%-128", task},
		{"%%j", "%j", task},
		{`\\%j.out`, "%j.out", task},
		{`out\%j`, "out%j", task},
		{"%q-%4q-%", "%q-%4q-%", task},
		{"%12", "%12", task},
		{"é%jé", "é128é", task},
		{"slurm-%j.out", "slurm-128.out", plain},
		{"%A_%a", "128_4294967294", plain},
		{"%J %s", "128 batch", plain},
		{"", "", plain},
	} {
		require.Equal(t, c.want, api.ExpandPattern(c.pattern, c.vars), c.pattern)
	}
}

func FuzzExpandPattern(f *testing.F) {
	for _, s := range []string{"%j", "%4a", "%%", "%", `\%j`, "%999999999999999999999a", "%é"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		out := api.ExpandPattern(s, api.PatternVars{JobID: 1, Index: 1, User: "u", JobName: "n"})
		require.LessOrEqual(t, len(out), 10*len(s)+1)
	})
}
