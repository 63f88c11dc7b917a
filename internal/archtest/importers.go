package archtest

import (
	"fmt"
	"strings"
)

// foreign is a library, or a part of the standard library, that has one home.
type foreign struct {
	paths []string // import paths, each with all below it
	homes []string // the only folders that may import it; none: nobody
	use   string   // what all others do instead
	// tests says that test files anywhere may import it, too.
	tests bool
}

var foreigns = []foreign{
	{
		paths: []string{"github.com/jackc/pgx/v5", "github.com/jackc/pgx/v4", "database/sql"},
		homes: []string{"apiserver/store/...", "migrations/...", "internal/pgtest"},
		use:   "only apiserver/store talks to Postgres; add a method there",
	},
	{
		paths: []string{"github.com/pressly/goose"},
		homes: []string{"apiserver/store/...", "migrations/..."},
		use:   "only migrations moves the schema",
	},
	{
		paths: []string{"github.com/danielgtaylor/huma", "github.com/go-chi/chi"},
		homes: []string{"apiserver/..."},
		use:   "only apiserver serves HTTP",
	},
	{
		paths: []string{"github.com/NVIDIA/go-nvml", "github.com/NVIDIA/go-nvlib"},
		homes: []string{"devices/nvml/cox-nvml"},
		use:   "a driver that hangs must not hang the agent; go through devices/nvml to the helper",
	},
	{
		paths: []string{"github.com/containerd/cgroups"},
		homes: []string{"kubelet/cgroup/..."},
		use:   "use kubelet/cgroup.Driver; nothing else knows the cgroup version",
	},
	{
		paths: []string{"github.com/containerd/containerd", "github.com/containerd/go-cni", "k8s.io/cri-api"},
		homes: []string{"kubelet/runtime/cri/..."},
		use:   "use kubelet/runtime.Runtime",
	},
	{
		paths: []string{"github.com/container-storage-interface/spec"},
		homes: []string{"storage/csi/..."},
		use:   "use storage.Driver",
	},
	{
		paths: []string{"github.com/miekg/dns"},
		homes: []string{"apiserver/dns/..."},
		use:   "use apiserver/dns",
	},
	{
		paths: []string{"github.com/shirou/gopsutil/v3"},
		homes: []string{"kubelet/...", "devices/..."},
		use:   "only node packages read the host",
	},
	{
		paths: []string{"github.com/spf13/cobra", "github.com/spf13/pflag"},
		homes: []string{"cli/..."},
		use:   "only cli parses commands",
	},
	{
		paths: []string{"os/user"},
		use:   "without cgo it reads /etc/passwd alone and misses LDAP users; ask internal/nss",
	},
	{
		paths: []string{"math/rand", "log", "gopkg.in/yaml.v2", "gopkg.in/yaml.v3", "github.com/spf13/viper"},
		use:   "use math/rand/v2, log/slog, github.com/goccy/go-yaml, one config struct",
	},
	{
		paths: []string{"github.com/stretchr/testify/assert"},
		use:   "use testify/require: a test that goes on after a failure reports nonsense",
	},
	{
		paths: []string{module + "/internal/sim"},
		homes: []string{"internal/sim/...", "cli/daemon"},
		tests: true,
		use:   "only tests and cox simulate run the simulator",
	},
}

// exact are import paths of the table that do not cover what lies below them.
var exact = map[string]bool{"log": true, "math/rand": true}

func importersRule() Rule {
	return Rule{
		Name: "one importer each",
		Why: "A foreign thing with one home can be upgraded, faked and replaced in one place. The table " +
			"is in internal/archtest/importers.go.",
		check: func(t *Tree) (found []Finding) {
			for _, f := range t.files {
				for _, i := range f.imports {
					if what := misplaced(f, i.path); what != "" {
						found = append(found, Finding{Path: f.path, Line: t.line(i.pos), What: what})
					}
				}
			}
			return found
		},
	}
}

func misplaced(f *file, importPath string) string {
	for _, lib := range foreigns {
		allowed := withinAny(f.dir, lib.homes) || (lib.tests && f.test())
		if underAny(importPath, lib.paths) && !allowed {
			return fmt.Sprintf("%s must not import %s: %s", f.dir, importPath, lib.use)
		}
	}
	return ""
}

// under reports whether an import path is top or below it; a major version counts as below.
func under(importPath, top string) bool {
	return importPath == top || (!exact[top] && strings.HasPrefix(importPath, top+"/"))
}

func underAny(importPath string, tops []string) bool {
	for _, top := range tops {
		if under(importPath, top) {
			return true
		}
	}
	return false
}

// testOnly are what no program may contain.
var testOnly = []string{
	"testing", "github.com/stretchr/testify", "github.com/cockroachdb/datadriven", "pgregory.net/rapid",
	"go.uber.org/goleak", module + "/internal/pgtest", module + "/internal/archtest",
}

func testOnlyRule() Rule {
	return Rule{
		Name: "no test code in programs",
		Why: "Test support adds flags, panics and weight to the product. Move the code to a _test.go " +
			"file, or to a package whose name ends in test. The simulator ships with cox, so it counts " +
			"as a program.",
		check: func(t *Tree) (found []Finding) {
			for _, f := range t.files {
				for _, i := range f.imports {
					if !f.test() && underAny(i.path, testOnly) {
						found = append(found, Finding{
							Path: f.path, Line: t.line(i.pos), What: "a program must not import " + i.path,
						})
					}
				}
			}
			return found
		},
	}
}

// The shim is started once per pod and outlives upgrades: small, and tied to nothing of ours but
// its own versioned protocol and the part of the cgroup code that kills a pod.
const (
	shimDir  = "kubelet/shim/cox-shim"
	shimAPI  = "kubelet/shim/shimapi"
	podGroup = "kubelet/cgroup/podgroup"
	shimLibs = "golang.org/x/sys"
)

// shimParts is all of our code in the shim.
var shimParts = []string{shimDir + "/...", shimAPI + "/...", podGroup}

func shimRule() Rule {
	return Rule{
		Name: "the shim stays small",
		Why: "One cox-shim runs per pod, and must work with the kubelets of later versions. It and the " +
			"packages in it (" + shimAPI + ", " + podGroup + ") import the standard library, x/sys and " +
			"each other.",
		check: func(t *Tree) (found []Finding) {
			for _, f := range t.files {
				if f.test() || !withinAny(f.dir, shimParts) {
					continue
				}
				for _, i := range f.imports {
					if !shimMay(i.path) {
						found = append(found, Finding{
							Path: f.path, Line: t.line(i.pos), What: "the shim must not import " + i.path,
						})
					}
				}
			}
			return found
		},
	}
}

func shimMay(importPath string) bool {
	if dir, ours := local(importPath); ours {
		return withinAny(dir, shimParts)
	}
	return standard(importPath) || under(importPath, shimLibs)
}

// cgoHome is the one program that may be built with cgo.
const cgoHome = "devices/nvml/cox-nvml"

func cgoRule() Rule {
	return Rule{
		Name: "no cgo",
		Why: "cox and cox-shim are static and run on every distribution; a C library that crashes takes " +
			"the process with it. Only " + cgoHome + " may use cgo: put the code there, or do without.",
		check: func(t *Tree) (found []Finding) {
			for _, f := range t.files {
				for _, i := range f.imports {
					if i.path == "C" && !within(f.dir, cgoHome) {
						found = append(found, Finding{Path: f.path, Line: t.line(i.pos), What: `import "C"`})
					}
				}
			}
			return found
		},
	}
}
