package header

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzParse looks for crashes, for errors without a place, and for settings that get lost: each one
// that is read is in the options, refused, or dropped with a note.
func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("testdata/corpus/*")
	require.NoError(f, err)
	for _, file := range files {
		b, err := os.ReadFile(file)
		require.NoError(f, err)
		f.Add(b, "-c2 job.sh", "SBATCH_TIMELIMIT=5")
	}
	f.Add([]byte(plainScript), "--ignore-unsupported=hint --hint=x -d afterok:1 -- a b", "SBATCH_GRES=gpu:1")
	f.Fuzz(func(t *testing.T, script []byte, args, environ string) {
		in := Input{Script: script, Args: strings.Fields(args), Environ: []string{environ}}
		o, _, err := Parse(in)
		if err != nil {
			require.NotEmpty(t, err.Error())
			return
		}
		line, err := ReadArgs(in.Args, nil)
		require.NoError(t, err)
		if o.Help || o.Usage || o.Version {
			return
		}
		settings, _ := readEnviron(in.Environ)
		read := len(line.Settings) + len(settings)
		if o.Script != nil {
			read += len(readScript(script).settings)
		}
		dropped := 0
		for _, n := range o.Notes {
			if strings.HasSuffix(n, "is ignored, as you asked") {
				dropped++
			}
		}
		require.Equal(t, read, len(o.Settings)+dropped)
		_, _, _ = o.Build(testContext())
	})
}

func FuzzSplitWords(f *testing.F) {
	for _, s := range []string{` --a "b c" 'd' \e # f`, `"`, `\`, "a#b", "\x00\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		words, err := splitWords(line)
		if err != nil {
			return
		}
		total := 0
		for _, w := range words {
			total += len(w)
		}
		require.LessOrEqual(t, total, len(line))
	})
}

func FuzzValues(f *testing.F) {
	for _, s := range []string{
		"afterok:1:2?3", "B:USR1@5", "n[01-10],m", `A="1,2",B`, "END,FAIL", "75,100-104", "1-4k", ":",
	} {
		f.Add(s)
	}
	f.Fuzz(func(_ *testing.T, v string) {
		for _, o := range Table() {
			if o.set != nil {
				_ = o.set(&Options{}, v)
			}
		}
	})
}
