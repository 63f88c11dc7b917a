package header

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/coxswain-hpc/coxswain/api"
)

// EnvironmentBytesMax bounds the environment that is stored with a job; the kernel would refuse to
// start a program with much more.
const EnvironmentBytesMax = 1 << 20

// export is what --export says.
type export struct {
	// login: start from a login environment. none and nil take nothing else.
	login bool
	// entries are ALL, NAME and NAME=value, in order.
	entries []string
}

// parseExport reads ALL, NONE, NIL or a list. Quotes keep commas in values.
func parseExport(v string) (export, error) {
	switch strings.ToUpper(v) {
	case "", "ALL":
		return export{entries: []string{"ALL"}}, nil
	case "NONE":
		return export{login: true}, nil
	case "NIL":
		return export{}, nil
	}
	e := export{login: true}
	list, err := splitList(v)
	if err != nil {
		return export{}, err
	}
	for _, entry := range list {
		name, _, _ := strings.Cut(entry, "=")
		switch upper := strings.ToUpper(entry); {
		case upper == "ALL":
			e.login = false
			entry = upper
		case upper == "NONE" || upper == "NIL":
			return export{}, fmt.Errorf("%q: %s stands alone", clip(v), upper)
		case name == "" || strings.ContainsAny(name, " \t\n"):
			return export{}, fmt.Errorf("%q is no name of a variable", clip(name))
		}
		e.entries = append(e.entries, entry)
	}
	return e, nil
}

// splitList splits at commas outside quotes, and takes the quotes away.
func splitList(v string) ([]string, error) {
	var out []string
	var b strings.Builder
	quote := rune(0)
	for _, c := range v {
		switch {
		case quote != 0 && c == quote:
			quote = 0
		case quote == 0 && (c == '"' || c == '\''):
			quote = c
		case quote == 0 && c == ',':
			out = append(out, b.String())
			b.Reset()
		default:
			b.WriteRune(c)
		}
	}
	if quote != 0 {
		return nil, errors.New("a quote is not closed")
	}
	return append(out, b.String()), nil
}

// environment gives what --export takes of the submitter's environment. Entries are taken from left
// to right and later ones win, so that --export=ALL,SEED=3 sets SEED whatever it was. The variables
// of an outer job (SLURM_*, COX_JOB_* and so on) are left out unless they are named: the job gets
// its own, beginning with those in own.
func (o *Options) environment(environ, own []string) (env []string, login bool, notes []string, err error) {
	e, err := parseExport(o.Export)
	if err != nil {
		return nil, false, nil, api.Errorf(api.CodeInvalid, "--export: %w", err)
	}
	set := newVariables()
	for _, entry := range e.entries {
		name, _, hasValue := strings.Cut(entry, "=")
		switch {
		case entry == "ALL":
			set.putAll(environ)
		case hasValue:
			set.put(entry)
		case !set.putNamed(environ, name):
			notes = append(notes, fmt.Sprintf("--export names %s, which is not set", clip(name)))
		}
	}
	for _, entry := range own {
		set.put(entry)
	}
	if n := set.bytes(); n > EnvironmentBytesMax {
		return nil, false, nil, api.Errorf(api.CodeLimit,
			"the environment has %s, more than %s; name what the job "+
				"needs with --export", api.FormatBytes(int64(n)), api.FormatBytes(EnvironmentBytesMax))
	}
	return set.list, e.login, notes, nil
}

// variables is an environment in the making: a list, and where each name stands in it.
type variables struct {
	list []string
	at   map[string]int
}

func newVariables() *variables { return &variables{at: map[string]int{}} }

func (v *variables) put(entry string) {
	name, _, ok := strings.Cut(entry, "=")
	if !ok || name == "" {
		return
	}
	if i, seen := v.at[name]; seen {
		v.list[i] = entry
		return
	}
	v.at[name] = len(v.list)
	v.list = append(v.list, entry)
}

func (v *variables) putAll(environ []string) {
	for _, entry := range environ {
		if name, _, _ := strings.Cut(entry, "="); !ofOuterJob(name) {
			v.put(entry)
		}
	}
}

// putNamed also finds exported bash functions: f stands for BASH_FUNC_f%%.
func (v *variables) putNamed(environ []string, name string) bool {
	found := false
	for _, entry := range environ {
		key, _, _ := strings.Cut(entry, "=")
		if key == name || key == "BASH_FUNC_"+name+"%%" {
			v.put(entry)
			found = true
		}
	}
	return found
}

func (v *variables) bytes() (n int) {
	for _, entry := range v.list {
		n += len(entry) + 1
	}
	return n
}

// outerJobPrefixes begin the names of variables that a job gets; a job that submits another one
// must not hand down its own. COX_CONTEXT and the like are the user's and stay.
var outerJobPrefixes = []string{
	"SLURM_", "SLURMD_", "COX_JOB_", "COX_ARRAY_", "COX_NODE", "COX_TASK", "COX_STEP_", "COX_SUBMIT_",
	"COX_RESTART", "COX_CPUS", "COX_MEM", "COX_ATTEMPT", "COX_RANK", "COX_POD",
}

func ofOuterJob(name string) bool {
	return name != "SLURM_CONF" &&
		slices.ContainsFunc(outerJobPrefixes, func(p string) bool { return strings.HasPrefix(name, p) })
}
