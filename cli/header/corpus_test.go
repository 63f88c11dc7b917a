package header

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coxswain-hpc/coxswain/api"
)

var rewrite = flag.Bool("rewrite", false, "write the golden files anew")

// testContext are the surroundings of a submitter in tests.
func testContext() Context {
	return Context{
		Now: time.Date(2026, 11, 24, 14, 30, 0, 0, time.UTC), Cwd: "/home/ada/run", Host: "login1",
		Umask:      0o22,
		SoftLimits: map[string]int64{"stack": 8 << 20, "nofile": 1024, "core": 0},
		Environ:    []string{"PATH=/bin", "HOME=/home/ada", "SLURM_NTASKS=99"},
	}
}

// corpusReport counts what became of the options in the headers of the corpus.
type corpusReport struct {
	scripts, whole, accepted, rejected, dropped, ignored int
	text                                                 strings.Builder
}

// TestCorpus reads every script of the corpus. An option found by an independent scan of its header
// must be in the job that is built, or in the error with its name and line, or dropped with a note
// as the script asks: none may be ignored in silence.
func TestCorpus(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/corpus/*")
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(files), 60)
	var r corpusReport
	for _, file := range files {
		script, err := os.ReadFile(file)
		require.NoError(t, err)
		r.take(t, filepath.Base(file), script)
	}
	summary := fmt.Sprintf("scripts %d, of them accepted whole %d; options: accepted %d, rejected by name "+
		"%d, "+
		"dropped as asked %d, silently ignored %d\n", r.scripts, r.whole, r.accepted, r.rejected, r.dropped,
		r.ignored)
	t.Log(summary)
	golden(t, "testdata/corpus_report.txt", summary+"\n"+r.text.String())
	require.Zero(t, r.ignored)
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	if *rewrite {
		require.NoError(t, os.WriteFile(file, []byte(got), 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err, "run the test with -rewrite")
	require.Equal(t, string(want), got, "run the test with -rewrite if this is meant")
}

func (r *corpusReport) take(t *testing.T, name string, script []byte) {
	t.Helper()
	r.scripts++
	fmt.Fprintf(&r.text, "== %s\n", name)
	o, _, err := Parse(Input{Script: script, Args: []string{name}, Environ: testContext().Environ})
	if err == nil {
		_, notes, buildErr := o.Build(testContext())
		require.NoError(t, buildErr, name)
		r.whole++
		for _, n := range notes {
			fmt.Fprintf(&r.text, "   note: %s\n", n)
		}
	}
	for _, use := range scanHeader(string(script)) {
		verdict := r.verdict(t, o, err, use)
		fmt.Fprintf(&r.text, "   line %d: %s: %s\n", use.line, use.name, verdict)
	}
}

// verdict says what became of one option of a header, and counts it.
func (r *corpusReport) verdict(t *testing.T, o Options, err error, use headerUse) string {
	t.Helper()
	if why := rejection(err, use); why != "" {
		r.rejected++
		return "rejected: " + why
	}
	for _, n := range o.Notes {
		if strings.HasPrefix(n, fmt.Sprintf("line %d: --%s is ignored", use.line, use.name)) {
			r.dropped++
			return "dropped as asked"
		}
	}
	i := slices.IndexFunc(o.Settings, func(s Setting) bool {
		return s.Source.Line == use.line && s.Option.Name == use.name
	})
	if i < 0 {
		r.ignored++
		return "SILENTLY IGNORED"
	}
	r.accepted++
	if err != nil {
		return "accepted"
	}
	effect := o.effect(t, i)
	if effect == "" {
		r.ignored++
		return "SILENTLY IGNORED: no effect"
	}
	return "accepted" + effect
}

// rejection finds the option in the error, by line and name.
func rejection(err error, use headerUse) string {
	e, ok := errors.AsType[*api.Error](err)
	if !ok {
		return ""
	}
	for _, f := range e.Fields {
		if f.Field == fmt.Sprintf("line %d", use.line) && names(f.Message, use.written) {
			return f.Message
		}
	}
	return ""
}

// names says whether a message begins with the option, and not with a longer one.
func names(message, option string) bool {
	return strings.HasPrefix(message, option+" ") || strings.HasPrefix(message, option+":")
}

// effect leaves one setting out and compares the jobs. A setting that says what holds anyhow is
// named as such.
func (o *Options) effect(t *testing.T, i int) string {
	t.Helper()
	s := o.Settings[i]
	for _, later := range o.Settings[i+1:] {
		if later.Option == s.Option {
			return fmt.Sprintf(", replaced on %s", later.Source)
		}
	}
	without := Options{Script: o.Script, ScriptName: o.ScriptName, Args: o.Args}
	for _, p := range without.apply(slices.Delete(slices.Clone(o.Settings), i, i+1)) {
		if s.Option.Name == "ignore-unsupported" {
			return ""
		}
		t.Fatalf("without %s: %v", s.Option.Name, p)
	}
	switch {
	case outcome(t, *o) != outcome(t, without):
		return "; it changes the job"
	case s.Option.Name == "ignore-unsupported":
		return "; it drops what is noted"
	case s.Option.Name == "ignore-pbs":
		return "; it passes over #PBS lines"
	case slices.Contains(defaults, s.Option.Name+"="+strings.ToUpper(s.Value)):
		return "; it says the default"
	}
	return ""
}

// defaults are settings that may change nothing, since they say what holds anyhow.
var defaults = []string{
	"requeue=", "nodes=1", "nodes=1-4", "ntasks=1", "cpus-per-task=1", "kill-on-invalid-dep=YES", "chdir=./",
	"mail-type=NONE",
	"mail-user=$USER@EXAMPLE.ORG", "export=ALL",
}

// outcome is all that a submission does: the request, and how the client behaves.
func outcome(t *testing.T, o Options) string {
	t.Helper()
	submit, _, err := o.Build(testContext())
	require.NoError(t, err)
	b, err := json.Marshal(submit)
	require.NoError(t, err)
	return fmt.Sprintf("%s %v %v %v %v", b, o.Parsable, o.Wait, o.Quiet, o.Verbose)
}

// headerUse is an option found in a header by the scan below; written is how it was written.
type headerUse struct {
	line          int
	name, written string
}

var (
	headerLine = regexp.MustCompile(`^#(SBATCH|COX)([ \t-].*)`)
	quoted     = regexp.MustCompile(`"(\\.|[^"])*"|'[^']*'`)
	comment    = regexp.MustCompile(`[ \t]#.*`)
	optionWord = regexp.MustCompile(`(?:^|[ \t])(--[a-z][a-z-]*|-[A-Za-z]+)`)
)

// scanHeader finds options in a way that shares nothing with the parser.
func scanHeader(script string) (uses []headerUse) {
	for i, line := range strings.Split(script, "\n") {
		bare := strings.TrimSpace(line)
		if bare != "" && !strings.HasPrefix(bare, "#") {
			return uses
		}
		m := headerLine.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		text := comment.ReplaceAllString(quoted.ReplaceAllString(m[2], "Q"), "")
		for _, word := range optionWord.FindAllStringSubmatch(text, -1) {
			uses = append(uses, usesOf(i+1, word[1])...)
		}
	}
	return uses
}

// usesOf names the options of a word. -sO is two options, -Jname is one.
func usesOf(line int, word string) []headerUse {
	if long, ok := strings.CutPrefix(word, "--"); ok {
		for _, o := range Table() {
			if strings.HasPrefix(o.Name, long) {
				full, _ := byName(long)
				if full != nil {
					return []headerUse{{line, full.Name, full.Flag()}}
				}
			}
		}
		return []headerUse{{line, long, word}}
	}
	var uses []headerUse
	for _, letter := range []byte(word[1:]) {
		o := byShort(letter)
		uses = append(uses, headerUse{line, o.Name, o.Flag()})
		if o.Arg != ArgNone {
			break
		}
	}
	return uses
}
