package header

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// asPairs writes settings as name=value, a setting without value as name.
func asPairs(settings []Setting) (out []string) {
	for _, s := range settings {
		text := s.Option.Name
		if s.HasValue {
			text += "=" + s.Value
		}
		out = append(out, text)
	}
	return out
}

func TestReadArgs(t *testing.T) {
	t.Parallel()
	foreign := map[string]Arg{"context": ArgRequired, "debug": ArgNone}
	for _, c := range []struct {
		name       string
		args       []string
		want, rest []string
	}{
		{"equals", []string{"--time=10", "job.sh"}, []string{"time=10"}, []string{"job.sh"}},
		{"next word", []string{"--time", "10", "job.sh", "-x"}, []string{"time=10"}, []string{"job.sh", "-x"}},
		{"value like an option", []string{"-t", "-1"}, []string{"time=-1"}, []string{}},
		{"letters", []string{"-c4", "-n", "2"}, []string{"cpus-per-task=4", "ntasks=2"}, []string{}},
		{"bundle", []string{"-HQvc4"}, []string{"hold", "quiet", "verbose", "cpus-per-task=4"}, []string{}},
		{"letter with equals", []string{"-J=x"}, []string{"job-name==x"}, []string{}},
		{"optional", []string{"--nice", "5"}, []string{"nice"}, []string{"5"}},
		{"optional with value", []string{"--nice=5", "-kH"}, []string{"nice=5", "no-kill=H"}, []string{}},
		{"shortened", []string{"--part=x", "--mem-per-c=1G"}, []string{"partition=x", "mem-per-cpu=1G"}, []string{}},
		{"exact beats longer", []string{"--mem=1", "--time=1"}, []string{"mem=1", "time=1"}, []string{}},
		{"alias", []string{"--tasks-per-node=2"}, []string{"ntasks-per-node=2"}, []string{}},
		{"foreign", []string{"--context", "lab", "--debug", "-H", "a"}, []string{"hold"}, []string{"a"}},
		{"empty value", []string{"--comment=", "a"}, []string{"comment="}, []string{"a"}},
		{"a lone dash is a script", []string{"-", "-H"}, nil, []string{"-", "-H"}},
		{"equals in value", []string{"--export=A=1"}, []string{"export=A=1"}, []string{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			line, err := ReadArgs(c.args, foreign)
			require.NoError(t, err)
			require.Equal(t, c.want, asPairs(line.Settings))
			require.Equal(t, c.rest, append([]string{}, line.Rest...))
			require.False(t, line.DashDash)
		})
	}
	line, err := ReadArgs([]string{"--context=lab", "-H", "--", "./prog", "--", "-H"}, foreign)
	require.NoError(t, err)
	require.True(t, line.DashDash)
	require.Equal(t, []string{"./prog", "--", "-H"}, line.Rest)
	require.Equal(t, map[string]string{"context": "lab"}, line.Foreign)
}

func TestReadArgsErrors(t *testing.T) {
	t.Parallel()
	for arg, want := range map[string]string{
		"--tiem=3":  "--tiem is unknown; the nearest known option is --time",
		"--m=3":     "--m is ambiguous: --mail-type, --mail-user, --mcs-label, --mem",
		"--hold=3":  "--hold takes no value",
		"--time":    "--time needs a value: --time=<time>",
		"-t":        "-t needs a value",
		"-Z":        "-Z is unknown",
		"--context": "--context needs a value",
		"--=3":      "ambiguous",
	} {
		_, err := ReadArgs([]string{arg}, map[string]Arg{"context": ArgRequired})
		require.ErrorContains(t, err, want, arg)
		require.ErrorContains(t, err, "command line", arg)
	}
	_, err := ReadArgs([]string{"--tiem=3", "--hold=4", "-t"}, nil)
	require.ErrorContains(t, err, "tiem")
	require.ErrorContains(t, err, "hold")
	require.ErrorContains(t, err, "-t needs")
}

func TestSplitWords(t *testing.T) {
	t.Parallel()
	for line, want := range map[string][]string{
		" --a  --b\t--c ":        {"--a", "--b", "--c"},
		` --n="a b" 'c d'`:       {"--n=a b", "c d"},
		` a\ b "x\"y" 'p"q'`:     {"a b", `x"y`, `p"q`},
		" --a # a comment --b":   {"--a"},
		` "#x" \#y`:              {"#x", "#y"},
		` "" ''`:                 {"", ""},
		"":                       nil,
		" # only":                nil,
		` pre"mid dle"post`:      {"premid dlepost"},
		" --mail-user=a@b.c\v\r": {"--mail-user=a@b.c"},
	} {
		got, err := splitWords(line)
		require.NoError(t, err, line)
		require.Equal(t, want, got, line)
	}
	for line, want := range map[string]error{
		` "open`: errOpenQuote, ` it's`: errOpenQuote, " a#b": errMidHash, ` --a \`: errBackslash,
	} {
		_, err := splitWords(line)
		require.ErrorIs(t, err, want, line)
	}
}
