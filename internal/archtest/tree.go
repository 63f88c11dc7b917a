// Package archtest is the architecture as a test: which package may import which, what a pure
// core may not know, and a few habits that reviews forget. It reads the source with go/parser,
// needs nothing installed, and takes about a second. Linters check most of this too; this one
// runs with every `go test`.
//
// Words: a Tree is the parsed repository, a Rule looks at it and returns Findings; a finding says
// where, what, why it matters and what to do. An allowance is a list of old offences that may
// only shrink. A rule must not run the compiler or any other program.
package archtest

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"strconv"
	"strings"
)

// module is this repository's import path.
const module = "github.com/coxswain-hpc/coxswain"

// fileBytesMax bounds what is read of one file: nothing written by hand is larger.
const fileBytesMax = 8 << 20

// skipped are folders that hold no source of ours.
var skipped = map[string]bool{
	".git": true, ".bin": true, "bin": true, "build": true, "testdata": true, "vendor": true,
	"shared": true, "tools": true,
}

// textTypes are the endings of files that are read as text.
var textTypes = map[string]bool{
	".go": true, ".sql": true, ".sh": true, ".md": true, ".yml": true, ".yaml": true, ".txtar": true,
	".mod": true, ".sha256": true, "": true,
}

// Tree is the repository, parsed.
type Tree struct {
	fset  *token.FileSet
	files []*file // Go files, in path order
	texts []text  // all text files, Go included, in path order
}

// text is a file that a person reads.
type text struct {
	path  string
	lines []string
}

// file is one Go file.
type file struct {
	path      string // relative to the root, with slashes
	dir       string
	src       []byte
	ast       *ast.File
	generated bool
	imports   []importSpec
}

type importSpec struct {
	path string
	pos  token.Pos
}

// test reports whether the file is never part of a program: a _test.go file, or a file of a
// package for tests, whose name ends in "test".
func (f *file) test() bool {
	return strings.HasSuffix(f.path, "_test.go") || strings.HasSuffix(f.dir, "test") ||
		within(f.dir, "test/...")
}

// Load parses the repository at root.
func Load(root fs.FS) (*Tree, error) {
	t := &Tree{fset: token.NewFileSet()}
	err := fs.WalkDir(root, ".", func(p string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && skipped[d.Name()]:
			return fs.SkipDir
		case d.IsDir() || !d.Type().IsRegular() || !textTypes[path.Ext(p)]:
			return nil
		}
		return t.add(root, p)
	})
	if err != nil {
		return nil, fmt.Errorf("read the repository: %w", err)
	}
	return t, nil
}

func (t *Tree) add(root fs.FS, p string) error {
	info, err := fs.Stat(root, p)
	if err != nil || info.Size() > fileBytesMax {
		return err
	}
	src, err := fs.ReadFile(root, p)
	if err != nil || bytes.IndexByte(src, 0) >= 0 { // a program without an ending
		return err
	}
	t.texts = append(t.texts, text{path: p, lines: strings.Split(string(src), "\n")})
	if path.Ext(p) != ".go" {
		return nil
	}
	parsed, err := parser.ParseFile(t.fset, p, src, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	t.files = append(t.files, newFile(p, src, parsed))
	return nil
}

func newFile(p string, src []byte, parsed *ast.File) *file {
	f := &file{path: p, dir: path.Dir(p), src: src, ast: parsed, generated: ast.IsGenerated(parsed)}
	for _, spec := range parsed.Imports {
		name, err := strconv.Unquote(spec.Path.Value)
		if err == nil { // the parser accepted it, so it is quoted
			f.imports = append(f.imports, importSpec{path: name, pos: spec.Pos()})
		}
	}
	return f
}

// line is the line number of pos.
func (t *Tree) line(pos token.Pos) int { return t.fset.Position(pos).Line }

// within reports whether dir matches pattern: a folder, or with "/..." the tree below it too.
func within(dir, pattern string) bool {
	if top, ok := strings.CutSuffix(pattern, "/..."); ok {
		return dir == top || strings.HasPrefix(dir, top+"/")
	}
	return dir == pattern
}

func withinAny(dir string, patterns []string) bool {
	for _, p := range patterns {
		if within(dir, p) {
			return true
		}
	}
	return false
}

// local returns the folder of an import of this module.
func local(importPath string) (dir string, ok bool) {
	return strings.CutPrefix(importPath, module+"/")
}

// standard reports whether an import is of the standard library: no dot in its first element.
func standard(importPath string) bool {
	first, _, _ := strings.Cut(importPath, "/")
	return !strings.Contains(first, ".")
}
