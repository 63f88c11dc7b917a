package archtest

import "fmt"

// layer is a row of the dependency table: what the folders may import of this module. A package
// may always import its own row's folders. The first row that matches a folder counts.
type layer struct {
	dirs []string
	may  []string
	// only restricts everything else, too: nil means that any library may be imported, as far as
	// the table of importers allows; otherwise only the standard library and these.
	only []string
}

// support is what any shell may use.
var support = []string{
	"internal/clock", "internal/service", "internal/backoff", "internal/testsignal", "internal/invariants",
}

// stdOnly allows no library at all.
var stdOnly = []string{}

// layers is the dependency table: arrows point down only.
//
//	cli/daemon → apiserver, scheduler/loop, kubelet → pure cores, devices, storage → api
//	cli → api/client → api
var layers = []layer{
	{dirs: []string{"api"}, only: []string{"github.com/google/uuid"}},
	{dirs: []string{"api/client/..."}, may: append([]string{"api/..."}, support...)},
	{dirs: []string{"api/..."}, may: []string{"api/..."}},

	{dirs: []string{"scheduler"}, may: []string{"api", "internal/invariants"}, only: stdOnly},
	{dirs: []string{"scheduler/loop/..."}, may: append([]string{"api", "scheduler"}, support...)},
	{dirs: []string{"scheduler/..."}, may: append([]string{"api", "scheduler/..."}, support...)},

	{dirs: []string{"kubelet/reconcile"}, may: []string{"api", "internal/invariants"}, only: stdOnly},
	{dirs: []string{"kubelet/..."}, may: append([]string{
		"api/...", "devices/...", "storage/...", "internal/nss",
	}, support...)},
	{dirs: []string{"devices/..."}, may: append([]string{"api"}, support...)},
	{dirs: []string{"storage/..."}, may: append([]string{"api"}, support...)},

	{dirs: []string{"apiserver/..."}, may: append([]string{
		"api/...", "migrations", "internal/nss",
	}, support...)},
	{dirs: []string{"migrations/..."}, may: []string{"api"}}, // its errors have codes

	{dirs: []string{"cli/daemon", "cli/coxd"}, may: append([]string{
		"api/...", "apiserver/...", "scheduler/...", "kubelet/...", "devices/...", "storage/...",
		"migrations", "cli/...",
	}, support...)},
	// What users type must start fast, so the daemons' packages stay out of it.
	{dirs: []string{"cli/..."}, may: append([]string{"api/...", "internal/nss"}, support...)},

	{dirs: support, may: []string{"api"}},
	{dirs: []string{"internal/nss"}, may: append([]string{"api"}, support...)},
	{dirs: []string{"internal/sim/..."}, may: append([]string{
		"api/...", "apiserver/...", "scheduler/...", "kubelet/...", "devices/...", "storage/...",
	}, support...)},
	{dirs: []string{"internal/pgtest", "internal/archtest"}, may: support},
	{dirs: []string{"docs/..."}, may: []string{"api/...", "apiserver/...", "cli/..."}},
}

func layersRule() Rule {
	return Rule{
		Name: "arrows point down",
		Why: "Lower layers that know upper ones can't be tested or replaced alone. Declare the interface " +
			"that you need where you use it, in api types, and let cli join the two; or move the code " +
			"to the layer that it belongs to. The table is in internal/archtest/layers.go.",
		check: func(t *Tree) (found []Finding) {
			for _, f := range t.files {
				if !f.test() {
					found = append(found, t.checkLayer(f)...)
				}
			}
			return found
		},
	}
}

func (t *Tree) checkLayer(f *file) (found []Finding) {
	row := layerOf(f.dir)
	if row == nil {
		what := fmt.Sprintf("the folder %s has no row in the dependency table", f.dir)
		return []Finding{{Path: f.path, What: what}}
	}
	for _, i := range f.imports {
		if what := row.objection(i.path); what != "" {
			found = append(found, Finding{Path: f.path, Line: t.line(i.pos), What: what})
		}
	}
	return found
}

func layerOf(dir string) *layer {
	for i := range layers {
		if withinAny(dir, layers[i].dirs) {
			return &layers[i]
		}
	}
	return nil
}

// objection says what is wrong with an import, or nothing.
func (l *layer) objection(importPath string) string {
	dir, ours := local(importPath)
	switch {
	case ours && !withinAny(dir, l.may) && !withinAny(dir, l.dirs):
		return fmt.Sprintf("%s must not import %s", l.dirs[0], dir)
	case !ours && !standard(importPath) && l.only != nil && !underAny(importPath, l.only):
		return fmt.Sprintf("%s must not import any library, %s included", l.dirs[0], importPath)
	}
	return ""
}
