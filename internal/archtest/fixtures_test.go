package archtest

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

// files is a small repository: path → content.
type files map[string]string

func load(t *testing.T, fixture files) *Tree {
	t.Helper()
	root := fstest.MapFS{}
	for p, content := range fixture {
		root[p] = &fstest.MapFile{Data: []byte(content)}
	}
	tree, err := Load(root)
	require.NoError(t, err)
	return tree
}

// imports is a file that imports the given paths.
func imports(paths ...string) string {
	var src strings.Builder
	src.WriteString("package x\n")
	for _, p := range paths {
		fmt.Fprintf(&src, "import _ %q\n", p)
	}
	return src.String()
}

// function is a file with one function, whose body is given.
func function(body string, paths ...string) string {
	return strings.ReplaceAll(imports(paths...), "import _", "import") + "func f() {\n" + body + "\n}\n"
}

// TestEachRuleFires shows every rule a repository that breaks it and one that does not.
func TestEachRuleFires(t *testing.T) {
	t.Parallel()
	cases := []struct {
		rule Rule
		bad  files
		want string
		good files
	}{
		{
			layersRule(),
			files{"scheduler/loop/a.go": imports(module + "/apiserver/store")},
			"scheduler/loop/a.go:2: scheduler/loop/... must not import apiserver/store",
			files{
				"scheduler/loop/a.go":      imports(module+"/scheduler", module+"/internal/clock"),
				"scheduler/loop/a_test.go": imports(module + "/apiserver/store"),
			},
		},
		{
			layersRule(),
			files{"apiserver/a.go": imports(module + "/scheduler/loop")},
			"must not import scheduler/loop",
			files{"cli/daemon/a.go": imports(module+"/scheduler/loop", module+"/apiserver", module+"/kubelet/shim")},
		},
		{
			layersRule(),
			files{"cli/a.go": imports(module + "/apiserver")},
			"cli/... must not import apiserver",
			files{"cli/coxd/main.go": imports(module+"/cli", module+"/cli/daemon")},
		},
		{
			layersRule(),
			files{"kubelet/a.go": imports(module + "/cli")},
			"must not import cli",
			files{"cli/cox/main.go": imports(module + "/cli")},
		},
		{
			layersRule(),
			files{"api/a.go": imports("github.com/goccy/go-yaml")},
			"must not import any library, github.com/goccy/go-yaml included",
			files{"api/a.go": imports("github.com/google/uuid", "encoding/json")},
		},
		{
			layersRule(),
			files{"api/a.go": imports(module + "/api/client")},
			"api must not import api/client",
			files{"api/client/a.go": imports(module + "/api")},
		},
		{
			layersRule(),
			files{"util/a.go": imports()},
			"the folder util has no row",
			files{"api/a.go": imports()},
		},
		{
			importersRule(),
			files{"cli/a_test.go": imports("github.com/jackc/pgx/v5/pgxpool")},
			"cli must not import github.com/jackc/pgx/v5/pgxpool: only apiserver/store",
			files{"apiserver/store/a.go": imports("github.com/jackc/pgx/v5/pgxpool")},
		},
		{
			importersRule(),
			files{"kubelet/step/a.go": imports("os/user")},
			"must not import os/user",
			files{"kubelet/step/a.go": imports("os/exec")},
		},
		{
			importersRule(),
			files{"cli/a.go": imports("math/rand")},
			"must not import math/rand",
			files{"cli/a.go": imports("math/rand/v2", "log/slog")},
		},
		{
			importersRule(),
			files{"apiserver/a.go": imports(module + "/internal/sim")},
			"must not import " + module + "/internal/sim",
			files{
				"cli/daemon/a.go":     imports(module + "/internal/sim"),
				"scheduler/a_test.go": imports(module + "/internal/sim"),
			},
		},
		{
			testOnlyRule(),
			files{"kubelet/a.go": imports("github.com/stretchr/testify/require")},
			"a program must not import github.com/stretchr/testify/require",
			files{"kubelet/a_test.go": imports("testing"), "scheduler/schedtest/a.go": imports("testing")},
		},
		{
			shimRule(),
			files{shimDir + "/main.go": imports("github.com/goccy/go-yaml")},
			"the shim must not import github.com/goccy/go-yaml",
			files{shimDir + "/main.go": imports("os", "golang.org/x/sys/unix", module+"/"+shimAPI)},
		},
		{
			shimRule(),
			files{shimAPI + "/a.go": imports(module + "/api")},
			"the shim must not import " + module + "/api",
			files{shimAPI + "/a.go": imports("time")},
		},
		{
			cgoRule(),
			files{"kubelet/a_test.go": "package x\n" + `import "C"` + "\n"},
			`import "C"`,
			files{cgoHome + "/a.go": "package x\n" + `import "C"` + "\n"},
		},
		{
			coresRule(),
			files{"kubelet/reconcile/a.go": imports("net/http")},
			"a pure core must not import net/http",
			files{"kubelet/reconcile/a.go": imports("time", "sort"), "kubelet/a.go": imports("net/http")},
		},
		{
			coresRule(),
			files{"scheduler/a.go": imports("log/slog")},
			"a pure core must not import log/slog",
			files{"scheduler/loop/a.go": imports("log/slog")},
		},
		{
			coresRule(),
			files{"scheduler/a.go": function("go f()")},
			"scheduler/a.go:3: a pure core must not start goroutines",
			files{"scheduler/a_test.go": function("go f()")},
		},
		{
			coresRule(),
			files{"scheduler/a.go": function("_ = make(chan int)")},
			"must not use channels",
			files{"scheduler/a.go": function("_ = make([]int, 1)")},
		},
		{
			coresRule(),
			files{"scheduler/a.go": "package x\nimport clk \"time\"\nvar now = clk.Now\n"},
			"must not call time.Now",
			files{"scheduler/a.go": function("_ = time.Unix(1, 0)", "time")},
		},
		{
			coresRule(),
			files{"scheduler/a.go": function("_ = rand.IntN(6)", "math/rand/v2")},
			"must not call rand.IntN",
			files{"scheduler/a.go": function("_ = rand.New(rand.NewPCG(1, 2))", "math/rand/v2")},
		},
		{
			clockRule(),
			files{"kubelet/a.go": function("_ = time.Since(t)", "time")},
			"must not call time.Since",
			files{
				"cli/a.go":          function("_ = time.Now()", "time"),
				"kubelet/a_test.go": function("_ = time.Now()", "time"),
			},
		},
		{
			sleepRule(),
			files{"kubelet/a_test.go": function("time.Sleep(1)", "time")},
			"kubelet/a_test.go:4: a test sleeps",
			files{"kubelet/a_test.go": function(
				"synctest.Test(t, func(t *testing.T) { time.Sleep(1) })", "time", "testing/synctest")},
		},
		{
			packageCommentRule(),
			files{"api/a.go": "package api\n", "api/b.go": "package api\n"},
			"api: the package has no package comment",
			files{"api/a.go": "// Package api is nouns.\npackage api\n", "api/b.go": "package api\n"},
		},
		{
			packageCommentRule(),
			files{"api/a.go": "// Package api.\npackage api\n", "api/b.go": "// Two.\npackage api\n"},
			"package comments in api/a.go and api/b.go",
			files{
				"api/a.go": "// Package api.\npackage api\n",
				"api/b.go": "//go:build linux\n\npackage api\n",
			},
		},
		{
			fileLengthRule(),
			files{"api/a.go": "package api\n" + strings.Repeat("\n", 600)},
			"601 lines, more than 600",
			files{"api/a.go": "package api\n" + strings.Repeat("\n", 598)},
		},
		{
			functionLengthRule(),
			files{"api/a.go": function(strings.Repeat("f()\n", 71))},
			"f has 72 lines, more than 70",
			files{"api/a.go": function(strings.Repeat("f()\n", 60) + strings.Repeat("// why\n", 30))},
		},
		{
			todoRule(),
			files{"api/a.go": "package api\n\n// TO" + "DO: later\n"},
			"api/a.go:3: a to-do without an issue number",
			files{"api/a.go": "package api\n\n// TO" + "DO(#12): widen this.\nvar s = \"TO" + "DO\"\n"},
		},
		{
			todoRule(),
			files{"migrations/1.sql": "-- FIX" + "ME\n"},
			"migrations/1.sql:1: a to-do",
			files{"migrations/1.sql": "SELECT 1;\n"},
		},
		{
			machinePathRule(),
			files{"docs/a.md": "see /" + "work/main/x\n"},
			"docs/a.md:1: a path that exists on one machine only",
			files{"docs/a.md": "see ../tools/bench and lib/work/queue\n"},
		},
		{
			generatedRule(),
			files{queryDir + "/job.sql": "SELECT 1;\n"},
			HashFile + ": is missing",
			files{"migrations/1.sql": "SELECT 1;\n"},
		},
	}
	for _, c := range cases {
		t.Run(c.rule.Name, func(t *testing.T) {
			t.Parallel()
			found := c.rule.check(load(t, c.bad))
			require.Len(t, found, 1)
			require.Contains(t, c.rule.Message(found[0]), c.want)
			require.Greater(t, len(c.rule.Why), 40, "a message says why and what to do")
			require.Empty(t, c.rule.check(load(t, c.good)))
		})
	}
}

func TestEveryRuleHasAFixture(t *testing.T) {
	t.Parallel()
	names := map[string]bool{}
	for _, rule := range Rules() {
		require.False(t, names[rule.Name], "two rules are named %q", rule.Name)
		names[rule.Name] = true
	}
	require.Len(t, names, 14, "a new rule needs a case in TestEachRuleFires; then raise this number")
}

func TestAllowancesMayOnlyShrink(t *testing.T) {
	t.Parallel()
	tree := load(t, files{
		"api/a_test.go": function("time.Sleep(1)", "time"),
		"api/b.go":      "package api\n" + strings.Repeat("\n", 700),
	})
	require.Empty(t, tree.checkSleeps(map[string]int{"api/a_test.go": 1}))
	require.Contains(t, tree.checkSleeps(map[string]int{"api/a_test.go": 2})[0].What, "lower that number")
	require.Empty(t, tree.checkFileLengths(map[string]int{"api/b.go": 701}))
	require.Contains(t, tree.checkFileLengths(map[string]int{"api/b.go": 700})[0].What, "more than 700")
	require.Contains(t, tree.checkFileLengths(map[string]int{"api/b.go": 800})[0].What, "lower or remove")
}

func TestGeneratedHashSeesEachChange(t *testing.T) {
	t.Parallel()
	base := files{
		queryDir + "/job.sql": "SELECT 1;\n", "migrations/0001_a.sql": "CREATE TABLE a ();\n",
		"sqlc.yaml": "version: 2\n", dbDir + "/job.sql.go": "package db\n",
	}
	base[HashFile] = load(t, base).GeneratedHash()
	require.Empty(t, generatedRule().check(load(t, base)))
	for changed, want := range map[string]string{
		queryDir + "/job.sql": "the inputs changed", "migrations/0001_a.sql": "the inputs changed",
		"sqlc.yaml": "the inputs changed", dbDir + "/job.sql.go": "the output changed",
		HashFile: "the output changed",
	} {
		fixture := maps.Clone(base)
		fixture[changed] = strings.TrimSuffix(fixture[changed], "\n") + "0\n"
		if changed == dbDir+"/job.sql.go" {
			fixture[changed] = "package db\n\n"
		}
		found := generatedRule().check(load(t, fixture))
		require.Len(t, found, 1, changed)
		require.Contains(t, found[0].What, want, changed)
	}
}
