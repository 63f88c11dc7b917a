package archtest

import (
	"crypto/sha256"
	"fmt"
	"path"
	"strings"
)

// Generated code is committed, so that a renamed column breaks the build and nobody needs the
// generators for a test. This notices a change of the inputs without `make generate`, and a
// change of the output by hand, without running a generator.
const (
	queryDir = "apiserver/store/query"
	dbDir    = "apiserver/store/internal/db"
	// HashFile is written by `make generate` (this package's test with -update).
	HashFile = dbDir + "/.inputs.sha256"
)

func generatedRule() Rule {
	return Rule{
		Name: "generated code is fresh",
		Why:  "Run make generate and commit what it changed. Generated files are never edited by hand.",
		check: func(t *Tree) []Finding {
			want := t.GeneratedHash()
			if want == "" {
				return nil
			}
			got := t.text(HashFile)
			if got == nil {
				return []Finding{{Path: HashFile, What: "is missing, but there are queries in " + queryDir}}
			}
			return compareHashes(want, strings.Join(got.lines, "\n"))
		},
	}
}

func compareHashes(want, got string) (found []Finding) {
	for i, line := range strings.Split(strings.TrimSpace(want), "\n") {
		lines := strings.Split(got, "\n")
		if i < len(lines) && lines[i] == line {
			continue
		}
		subject, _, _ := strings.Cut(line, " ")
		what := "the " + subject + " changed since the code was generated"
		found = append(found, Finding{Path: HashFile, What: what})
	}
	return found
}

// GeneratedHash is what HashFile must hold: a line for the inputs of the generated database code
// and one for its output. It is empty where there are no queries.
func (t *Tree) GeneratedHash() string {
	inputs, outputs := sha256.New(), sha256.New()
	queries := 0
	for _, x := range t.texts {
		sum := sha256.Sum256([]byte(strings.Join(x.lines, "\n")))
		switch {
		case isInput(x.path):
			inputs.Write(fmt.Appendf(nil, "%x  %s\n", sum, x.path))
		case path.Dir(x.path) == dbDir && path.Ext(x.path) == ".go":
			outputs.Write(fmt.Appendf(nil, "%x  %s\n", sum, x.path))
		}
		if path.Dir(x.path) == queryDir && path.Ext(x.path) == ".sql" {
			queries++
		}
	}
	if queries == 0 {
		return ""
	}
	return fmt.Sprintf("inputs %x\noutput %x\n", inputs.Sum(nil), outputs.Sum(nil))
}

func isInput(p string) bool {
	switch path.Dir(p) {
	case queryDir:
		return path.Ext(p) == ".sql"
	case "migrations":
		return path.Ext(p) == ".sql" && path.Base(p) != "schema.sql"
	}
	return path.Base(p) == "sqlc.yaml"
}

func (t *Tree) text(p string) *text {
	for i := range t.texts {
		if t.texts[i].path == p {
			return &t.texts[i]
		}
	}
	return nil
}
