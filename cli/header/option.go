package header

import (
	"slices"
	"strings"
)

// Arg says whether an option takes a value.
type Arg int

// The kinds of argument.
const (
	ArgNone     Arg = iota // --hold
	ArgRequired            // --time=10, --time 10
	ArgOptional            // --nice, --nice=10: the value only behind an equals sign
)

// Option is one row of the table: an option of sbatch, or one of Coxswain's own.
type Option struct {
	// Name is the long name; Aliases are other long names; Short is the letter, or 0.
	Name    string
	Aliases []string
	Short   byte
	Arg     Arg
	// Value is how the value is written in help, such as <time>.
	Value string
	// Env lists the environment variables that set it.
	Env []string
	// Since is the Slurm version that brought it, where that is newer than 22.05.
	Since string
	// Cox marks Coxswain's own options: never on an #SBATCH line, which sbatch reads too.
	Cox bool
	// ArgsOnly marks options that make sense on the command line alone.
	ArgsOnly bool
	// Essential marks options that --ignore-unsupported may not drop: without them it would be
	// another job (resources, dependencies, identity).
	Essential bool
	// Meaning is what it does, as a phrase. Later, where set, says what is missing: the option is
	// known and not done yet.
	Meaning string
	Later   string
	set     func(*Options, string) error
}

// Honoured says whether Coxswain does what the option means.
func (o *Option) Honoured() bool { return o.Later == "" }

// Flag is the name as people type it.
func (o *Option) Flag() string { return "--" + o.Name }

var table = slices.Concat( //nolint:gochecknoglobals // a table, only read
	identityOptions, resourceOptions, timeOptions, streamOptions, environmentOptions, noticeOptions,
	clientOptions, coxOptions, laterResourceOptions, laterPlacementOptions, laterOptions,
)

// Table gives all options, in the order of their names.
func Table() []*Option {
	out := make([]*Option, 0, len(table))
	for i := range table {
		out = append(out, &table[i])
	}
	slices.SortFunc(out, func(a, b *Option) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// byName finds an option by its long name, an alias, or a beginning that only one option has (as
// getopt_long does). For an ambiguous beginning it returns the candidates.
func byName(name string) (found *Option, candidates []string) {
	for i := range table {
		o := &table[i]
		if o.Name == name || slices.Contains(o.Aliases, name) {
			return o, nil
		}
		if strings.HasPrefix(o.Name, name) {
			found = o
			candidates = append(candidates, o.Flag())
		}
	}
	if len(candidates) != 1 || name == "" {
		slices.Sort(candidates)
		return nil, candidates
	}
	return found, nil
}

func byShort(letter byte) *Option {
	for i := range table {
		if table[i].Short == letter && letter != 0 {
			return &table[i]
		}
	}
	return nil
}

func byEnv(name string) *Option {
	for i := range table {
		if slices.Contains(table[i].Env, name) {
			return &table[i]
		}
	}
	return nil
}

// nearest gives the known name with the smallest edit distance, for "did you mean".
func nearest(name string) string {
	best, least := "", len(name)+1
	for i := range table {
		for _, known := range append([]string{table[i].Name}, table[i].Aliases...) {
			if d := distance(name, known); d < least {
				best, least = known, d
			}
		}
	}
	return best
}

// nameLenMax bounds the names that distance compares, and so its work.
const nameLenMax = 64

// distance is the number of letters to insert, delete, change or swap with their neighbour.
func distance(a, b string) int {
	a, b = a[:min(len(a), nameLenMax)], b[:min(len(b), nameLenMax)]
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			rows[i][j] = cheapest(rows, a, b, i, j)
		}
	}
	return rows[len(a)][len(b)]
}

func cheapest(rows [][]int, a, b string, i, j int) int {
	change := rows[i-1][j-1]
	if a[i-1] != b[j-1] {
		change++
	}
	best := min(change, rows[i-1][j]+1, rows[i][j-1]+1)
	if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
		best = min(best, rows[i-2][j-2]+1)
	}
	return best
}
