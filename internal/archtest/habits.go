package archtest

import (
	"fmt"
	"go/ast"
	"go/token"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
)

const (
	fileLinesMax     = 600
	functionLinesMax = 70
)

func packageCommentRule() Rule {
	return Rule{
		Name: "one package comment each",
		Why: "The package comment is where a reader starts: what the package is, its words, and what it " +
			"must not do. Write it in one file, the one that is named after the package or comes first.",
		check: checkPackageComments,
	}
}

func checkPackageComments(t *Tree) (found []Finding) {
	comments, handWritten := map[string][]string{}, map[string]bool{}
	for _, f := range t.files {
		if strings.HasSuffix(f.path, "_test.go") || f.generated {
			continue
		}
		handWritten[f.dir] = true
		if f.ast.Doc != nil {
			comments[f.dir] = append(comments[f.dir], f.path)
		}
	}
	for _, dir := range slices.Sorted(maps.Keys(handWritten)) {
		switch at := comments[dir]; {
		case len(at) == 0:
			found = append(found, Finding{Path: dir, What: "the package has no package comment"})
		case len(at) > 1:
			what := "package comments in " + strings.Join(at, " and ")
			found = append(found, Finding{Path: dir, What: what})
		}
	}
	return found
}

// fileAllowance holds files that were longer when the rule came, with their lengths then. It may
// only shrink.
var fileAllowance = map[string]int{}

func fileLengthRule() Rule {
	return Rule{
		Name: "files have one subject",
		Why: "Aim at 150 lines, think at 400, split at 600: a long file has several subjects. Give each " +
			"a file of its own.",
		check: func(t *Tree) []Finding { return t.checkFileLengths(fileAllowance) },
	}
}

func (t *Tree) checkFileLengths(allowance map[string]int) (found []Finding) {
	for _, f := range t.files {
		lines, limit := t.fset.File(f.ast.FileStart).LineCount(), fileLinesMax
		allowed, old := allowance[f.path]
		if old {
			limit = allowed
		}
		switch {
		case f.generated:
		case lines > limit:
			what := fmt.Sprintf("%d lines, more than %d", lines, limit)
			found = append(found, Finding{Path: f.path, What: what})
		case old && lines < allowed:
			found = append(found, Finding{Path: f.path, What: fmt.Sprintf(
				"%d lines, fewer than the %d of fileAllowance: lower or remove that entry", lines, allowed)})
		}
	}
	return found
}

func functionLengthRule() Rule {
	return Rule{
		Name: "functions fit on a page",
		Why: "Aim at 10 lines, never over 70 (comments not counted): the parent decides, leaves compute. " +
			"Name the steps and move each into a function.",
		check: func(t *Tree) (found []Finding) {
			for _, f := range t.files {
				if f.test() || f.generated {
					continue
				}
				for _, decl := range f.ast.Decls {
					if fn, ok := decl.(*ast.FuncDecl); ok && fn.Body != nil {
						found = append(found, t.checkFunction(f, fn)...)
					}
				}
			}
			return found
		},
	}
}

func (t *Tree) checkFunction(f *file, fn *ast.FuncDecl) []Finding {
	lines := t.line(fn.Body.Rbrace) - t.line(fn.Body.Lbrace) - 1 - t.commentLines(f, fn.Body)
	if lines <= functionLinesMax {
		return nil
	}
	return []Finding{{
		Path: f.path, Line: t.line(fn.Pos()),
		What: fmt.Sprintf("%s has %d lines, more than %d", fn.Name.Name, lines, functionLinesMax),
	}}
}

// commentLines counts the lines of comments that stand alone in a body.
func (t *Tree) commentLines(f *file, body *ast.BlockStmt) (n int) {
	tokenFile := t.fset.File(f.ast.FileStart)
	for _, group := range f.ast.Comments {
		if group.Pos() < body.Pos() || group.End() > body.End() {
			continue
		}
		start := tokenFile.Offset(tokenFile.LineStart(t.line(group.Pos())))
		before := f.src[start:tokenFile.Offset(group.Pos())]
		if strings.TrimSpace(string(before)) == "" {
			n += t.line(group.End()) - t.line(group.Pos()) + 1
		}
	}
	return n
}

var (
	todo         = regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|XX` + `X)\b`)
	todoNumbered = regexp.MustCompile(`\bTO` + `DO\(#[0-9]+\)`)
)

func todoRule() Rule {
	return Rule{
		Name: "no nameless to-do",
		Why: "A note in the code is forgotten; an issue is not. Do it now, or file an issue and write " +
			"its number: TO" + "DO(#123): sentence.",
		check: func(t *Tree) (found []Finding) {
			for _, f := range t.files {
				for _, group := range f.ast.Comments {
					for _, c := range group.List {
						found = append(found, t.checkToDo(f.path, c.Text, c.Pos())...)
					}
				}
			}
			for _, x := range t.texts {
				if commented[path.Ext(x.path)] {
					found = append(found, x.grep(todo, todoNumbered, "a to-do without an issue number")...)
				}
			}
			return found
		},
	}
}

// commented are the endings of files other than Go in which to-dos are looked for, line by line.
var commented = map[string]bool{".sql": true, ".sh": true, ".yml": true, ".yaml": true}

func (t *Tree) checkToDo(p, comment string, pos token.Pos) []Finding {
	if !todo.MatchString(todoNumbered.ReplaceAllString(comment, "")) {
		return nil
	}
	return []Finding{{Path: p, Line: t.line(pos), What: "a to-do without an issue number"}}
}

// machinePaths are places that exist on one developer's machine only. They are put together so
// that this file does not contain them.
var machinePaths = regexp.MustCompile(
	`(^|[^\w.-])/` + `work/(main|shared|\.)|/tmp/` + `boot\b|(^|[^\w.-])/` + `root/(go|\.)`)

func machinePathRule() Rule {
	return Rule{
		Name: "no paths of one machine",
		Why: "The repository must build and read the same everywhere. Use a path relative to the " +
			"repository, a variable, or a word.",
		check: func(t *Tree) (found []Finding) {
			for _, x := range t.texts {
				found = append(found, x.grep(machinePaths, nil, "a path that exists on one machine only")...)
			}
			return found
		},
	}
}

// grep returns a finding for each line that matches once what is allowed is removed from it.
func (x text) grep(bad, allowed *regexp.Regexp, what string) (found []Finding) {
	for i, line := range x.lines {
		if allowed != nil {
			line = allowed.ReplaceAllString(line, "")
		}
		if bad.MatchString(line) {
			found = append(found, Finding{Path: x.path, Line: i + 1, What: what})
		}
	}
	return found
}
