package header

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/coxswain-hpc/coxswain/api"
)

// textLenMax bounds names, comments and other free texts.
const textLenMax = 8192

// text makes a setter of a free text.
func text(field func(*Options) *string) func(*Options, string) error {
	return func(o *Options, v string) error {
		if len(v) > textLenMax {
			return fmt.Errorf("it has more than %d characters", textLenMax)
		}
		*field(o) = v
		return nil
	}
}

// file makes a setter of a file name pattern; "none" is /dev/null, as in sbatch.
func file(field func(*Options) *string) func(*Options, string) error {
	return func(o *Options, v string) error {
		if v == "" {
			return errors.New("the file name is empty")
		}
		if strings.EqualFold(v, "none") {
			v = "/dev/null"
		}
		return text(field)(o, v)
	}
}

func toggle(field func(*Options) *bool) func(*Options, string) error {
	return func(o *Options, _ string) error {
		*field(o) = true
		return nil
	}
}

// countMax bounds numbers of tasks, CPUs, nodes and seconds, so that their products fit.
const countMax = 1_000_000

// count makes a setter of a whole number from 1.
func count(field func(*Options) *int64) func(*Options, string) error {
	return func(o *Options, v string) error {
		n, err := parseCount(v)
		if err == nil {
			*field(o) = n
		}
		return err
	}
}

// tasksOrCPUs makes a setter of a count that stands against --cpus of a lower level.
func tasksOrCPUs(field func(*Options) *int64) func(*Options, string) error {
	return func(o *Options, v string) error {
		o.CPUMillis = 0
		return count(field)(o, v)
	}
}

func parseCount(v string) (int64, error) {
	n, err := strconv.ParseUint(v, 10, 63)
	if err != nil || n == 0 || n > countMax {
		return 0, fmt.Errorf("%q: write a whole number from 1 to %d", clip(v), countMax)
	}
	return int64(n), nil
}

const (
	niceDefault       = 100
	niceMax     int64 = 2_147_483_645
)

func setNice(o *Options, v string) error {
	if v == "" {
		o.Nice = niceDefault
		return nil
	}
	n, err := strconv.ParseInt(v, 10, 64)
	if err != nil || n > niceMax || n < -niceMax {
		return fmt.Errorf("%q: write a whole number; positive ones lower the priority", clip(v))
	}
	o.Nice = n
	return nil
}

func setPartition(o *Options, v string) error {
	if strings.Contains(v, ",") {
		return notYet("%q: a choice of partitions is not done yet; name one", clip(v))
	}
	return text(func(o *Options) *string { return &o.Partition })(o, v)
}

// laterError is a value of an honoured option that is not done yet.
type laterError struct{ text string }

func (e laterError) Error() string { return e.text }

func notYet(format string, args ...any) error { return laterError{fmt.Sprintf(format, args...)} }

func setArray(o *Options, v string) error {
	if v == "" {
		return errors.New("the expression is empty; write 0-15, 1,3,9-11 or 0-15:4")
	}
	if _, err := api.ParseArray(v); err != nil {
		return err
	}
	o.Array = v
	return nil
}

func setMemory(o *Options, v string) error {
	n, err := api.ParseMemorySlurm(v)
	if err == nil {
		o.MemoryBytes, o.MemoryPerCPUBytes = &n, nil
	}
	return err
}

func setMemoryPerCPU(o *Options, v string) error {
	n, err := api.ParseMemorySlurm(v)
	if err == nil {
		o.MemoryPerCPUBytes, o.MemoryBytes = &n, nil
	}
	return err
}

func setCPUs(o *Options, v string) error {
	n, err := api.ParseCPUs(v)
	if err == nil && n == 0 {
		return fmt.Errorf("%q: ask for at least 1m (a thousandth of a CPU)", clip(v))
	}
	o.Tasks, o.TasksPerNode, o.CPUsPerTask = 0, 0, 0
	o.CPUMillis = n
	return err
}

func setExclusive(o *Options, v string) error {
	if v != "" && v != "1" {
		return notYet("--exclusive=%s is not done yet; --exclusive keeps all other jobs away", clip(v))
	}
	o.Exclusive = true
	return nil
}

// setNodes reads 1, 2-4, and numbers with k and m as sbatch does.
func setNodes(o *Options, v string) error {
	lowText, highText, ranged := strings.Cut(v, "-")
	low, err := parseNodes(lowText)
	if err != nil {
		return err
	}
	high := low
	if ranged {
		if high, err = parseNodes(highText); err != nil {
			return err
		}
	}
	if high < low {
		return fmt.Errorf("%q runs backwards; write %d-%d", clip(v), high, low)
	}
	if low > 1 {
		return notYet("%s nodes: a job runs on one node so far; ask for one with all its tasks", clip(v))
	}
	o.NodesMin, o.NodesMax = low, high
	return nil
}

func parseNodes(v string) (int64, error) {
	digits := strings.TrimRight(v, "kKmM")
	factor, ok := map[string]int64{"": 1, "k": 1 << 10, "m": 1 << 20}[strings.ToLower(v[len(digits):])]
	n, err := parseCount(digits)
	if err != nil || !ok {
		return 0, fmt.Errorf("%q: write a number of nodes, or a range such as 1-4", clip(v))
	}
	return n * factor, nil
}

func setNodeList(o *Options, v string) error {
	names, err := nodeNames(v)
	if err != nil {
		return err
	}
	if len(names) > 1 {
		return notYet("%q asks for %d nodes, and a job runs on one node so far; name one", clip(v),
			len(names))
	}
	o.NodeNames = names
	return nil
}

func setExclude(o *Options, v string) error {
	names, err := nodeNames(v)
	if err == nil {
		o.ExcludedNodes = names
	}
	return err
}

func setTime(o *Options, v string) error {
	n, err := api.ParseSlurmTime(v)
	if err != nil {
		return err
	}
	if n == 0 {
		n = api.UnlimitedSeconds
	}
	o.TimeSeconds = n
	return nil
}

// setBegin checks the form, which is the same whatever time it is; Build knows the time.
func setBegin(o *Options, v string) error {
	if _, err := api.ParseBegin(v, time.Unix(0, 0).UTC()); err != nil {
		return err
	}
	o.Begin = v
	return nil
}

func setKillOnInvalid(o *Options, v string) error {
	yes, no := strings.EqualFold(v, "yes"), strings.EqualFold(v, "no")
	if !yes && !no {
		return fmt.Errorf("%q: write yes or no", clip(v))
	}
	o.KillOnInvalid = &yes
	return nil
}

func setOpenMode(o *Options, v string) error {
	switch strings.ToLower(v) {
	case "append", "a":
		o.Append = true
	case "truncate", "t":
		o.Append = false
	default:
		return fmt.Errorf("%q: write append or truncate", clip(v))
	}
	return nil
}

func setChdir(o *Options, v string) error {
	if v == "" {
		return errors.New("the directory is empty")
	}
	return text(func(o *Options) *string { return &o.Chdir })(o, v)
}

func setExport(o *Options, v string) error {
	if _, err := parseExport(v); err != nil {
		return err
	}
	o.Export = v
	return nil
}

// softLimits are the limits that sbatch passes on, by the names of getrlimit(2) without RLIMIT_.
var softLimits = []string{
	"as", "core", "cpu", "data", "fsize", "memlock", "nofile", "nproc", "rss", "stack",
}

func setPropagate(o *Options, v string) error {
	switch strings.ToUpper(v) {
	case "", "ALL":
		o.Propagate = nil
		return nil
	case "NONE":
		o.Propagate = []string{}
		return nil
	}
	var names []string
	for name := range strings.SplitSeq(strings.ToLower(v), ",") {
		name = strings.TrimPrefix(name, "rlimit_")
		if !slices.Contains(softLimits, name) {
			return fmt.Errorf("%q is no limit; write ALL, NONE or some of %s", clip(name),
				strings.ToUpper(strings.Join(softLimits, ",")))
		}
		names = append(names, name)
	}
	o.Propagate = names
	return nil
}

func setVerbose(o *Options, v string) error {
	n := 1
	if v != "" {
		var err error
		if n, err = strconv.Atoi(v); err != nil || n < 0 {
			return fmt.Errorf("%q: write 0 or 1", clip(v))
		}
	}
	o.Verbose = min(o.Verbose+n, 10)
	return nil
}

// exitCodeMax is the highest exit code of a process; codes above 128 stand for signals.
const exitCodeMax = 255

func setRequeueCodes(o *Options, v string) error {
	set, err := api.ParseIndices(v)
	if err != nil {
		return fmt.Errorf("%q: write exit codes such as 75 or 100-104", clip(v))
	}
	var codes []int
	for _, r := range set {
		if r.From < 1 || r.To > exitCodeMax+1 {
			return fmt.Errorf("%q: exit codes are 1 to %d", clip(v), exitCodeMax)
		}
		for x := r.From; x < r.To; x++ {
			codes = append(codes, int(x))
		}
	}
	o.RequeueExitCodes = codes
	return nil
}

func setIgnored(o *Options, v string) error {
	for name := range strings.SplitSeq(v, ",") {
		o.Ignored = append(o.Ignored, strings.TrimLeft(strings.TrimSpace(name), "-"))
	}
	return nil
}
