package archtest

import (
	"fmt"
	"go/ast"
	"path"
)

// cores are the packages that decide; all around them only acts.
var cores = []string{"scheduler", "kubelet/reconcile"}

// impure are what a core may not import, each with all below it.
var impure = []string{
	"context", "crypto/rand", "io/fs", "io/ioutil", "log", "net", "os", "sync", "syscall", "testing",
	"unsafe", "plugin", "embed", "database/sql", "runtime",
}

// clockCalls are the functions of package time that read or wait for the real clock.
var clockCalls = map[string]bool{
	"Now": true, "Since": true, "Until": true, "Sleep": true, "After": true, "AfterFunc": true,
	"Tick": true, "NewTimer": true, "NewTicker": true,
}

// seededCalls are the functions of math/rand/v2 that take their source from the caller; all
// others draw from the process's own.
var seededCalls = map[string]bool{
	"New": true, "NewPCG": true, "NewChaCha8": true, "NewZipf": true,
	"Rand": true, "Source": true, "PCG": true, "ChaCha8": true, "Zipf": true,
}

func coresRule() Rule {
	return Rule{
		Name: "the cores are pure",
		Why: "scheduler and kubelet/reconcile must give byte-equal results for equal inputs: every " +
			"replay, simulation and what-if depends on it. Take now, randomness and limits as " +
			"arguments; do I/O, logging, locking and waiting in the shell around the core " +
			"(scheduler/loop, kubelet).",
		check: func(t *Tree) (found []Finding) {
			for _, f := range t.files {
				if !f.test() && withinAny(f.dir, cores) {
					found = append(found, t.checkCore(f)...)
				}
			}
			return found
		},
	}
}

func (t *Tree) checkCore(f *file) (found []Finding) {
	report := func(n ast.Node, what string) {
		found = append(found, Finding{Path: f.path, Line: t.line(n.Pos()), What: what})
	}
	for _, spec := range f.ast.Imports {
		if p := importPathOf(spec); underAny(p, impure) || p == "log" || under(p, "log/slog") {
			report(spec, "a pure core must not import "+p)
		}
	}
	rand := f.nameOf("math/rand/v2")
	ast.Inspect(f.ast, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			report(n, "a pure core must not start goroutines")
		case *ast.SelectStmt, *ast.SendStmt, *ast.ChanType:
			report(n, "a pure core must not use channels")
		case *ast.SelectorExpr:
			if name := selected(n, f.nameOf("time")); clockCalls[name] {
				report(n, "a pure core must not call time."+name)
			}
			if name := selected(n, rand); name != "" && !seededCalls[name] {
				report(n, fmt.Sprintf("a pure core must not call rand.%s, which nobody seeded", name))
			}
		}
		return true
	})
	return found
}

// clockHomes are where time may enter: the clock, the programs' mains, the shim with its parts (it
// can't import the clock), and the helper that speaks to the GPU driver.
var clockHomes = []string{"internal/clock", "cli/...", shimDir + "/...", podGroup, cgoHome}

func clockRule() Rule {
	return Rule{
		Name: "time comes from the clock",
		Why: "Code that reads the real clock can't be tested without sleeping nor simulated. Shells take " +
			"a clock.Clock (internal/clock) from their constructor; pure functions take now.",
		check: func(t *Tree) (found []Finding) {
			for _, f := range t.files {
				if f.test() || f.generated || withinAny(f.dir, clockHomes) || withinAny(f.dir, cores) {
					continue
				}
				found = append(found, t.timeCalls(f, clockCalls, "must not call time.%s")...)
			}
			return found
		},
	}
}

func (t *Tree) timeCalls(f *file, names map[string]bool, format string) (found []Finding) {
	pkg := f.nameOf("time")
	ast.Inspect(f.ast, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok && names[selected(s, pkg)] {
			found = append(found, Finding{
				Path: f.path, Line: t.line(n.Pos()), What: fmt.Sprintf(format, s.Sel.Name),
			})
		}
		return true
	})
	return found
}

// sleepAllowance counts old sleeps in tests, by file. It may only shrink.
var sleepAllowance = map[string]int{}

func sleepRule() Rule {
	return Rule{
		Name: "no sleeping in tests",
		Why: "A sleep is too short on a busy machine and too long on every other. Wait for a signal " +
			"(internal/testsignal), poll with a deadline (require.Eventually), use clock.Fake, or run " +
			"in a synctest bubble, where a sleep takes no time.",
		check: func(t *Tree) []Finding { return t.checkSleeps(sleepAllowance) },
	}
}

func (t *Tree) checkSleeps(allowance map[string]int) (found []Finding) {
	for _, f := range t.files {
		if !f.test() {
			continue
		}
		sleeps := t.sleepsOutsideBubbles(f)
		allowed := allowance[f.path]
		if len(sleeps) > allowed {
			found = append(found, sleeps...)
		}
		if len(sleeps) < allowed {
			what := fmt.Sprintf("has %d sleeps, fewer than the %d of sleepAllowance: lower that number",
				len(sleeps), allowed)
			found = append(found, Finding{Path: f.path, What: what})
		}
	}
	return found
}

func (t *Tree) sleepsOutsideBubbles(f *file) (found []Finding) {
	pkg, bubble := f.nameOf("time"), f.nameOf("testing/synctest")
	ast.Inspect(f.ast, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CallExpr:
			if s, ok := n.Fun.(*ast.SelectorExpr); ok && selected(s, bubble) == "Test" {
				return false // all below runs on fake time
			}
		case *ast.SelectorExpr:
			if selected(n, pkg) == "Sleep" {
				found = append(found, Finding{Path: f.path, Line: t.line(n.Pos()), What: "a test sleeps"})
			}
		}
		return true
	})
	return found
}

// nameOf is the name under which the file imports a package, or nothing.
func (f *file) nameOf(importPath string) string {
	for _, spec := range f.ast.Imports {
		if importPathOf(spec) != importPath {
			continue
		}
		if spec.Name != nil {
			return spec.Name.Name
		}
		if base := path.Base(importPath); base != "v2" {
			return base
		}
		return path.Base(path.Dir(importPath))
	}
	return ""
}

func importPathOf(spec *ast.ImportSpec) string {
	return spec.Path.Value[1 : len(spec.Path.Value)-1]
}

// selected is the name chosen from the package called pkg, or nothing.
func selected(s *ast.SelectorExpr, pkg string) string {
	if x, ok := s.X.(*ast.Ident); ok && pkg != "" && x.Name == pkg {
		return s.Sel.Name
	}
	return ""
}
