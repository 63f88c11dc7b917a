package step

import (
	"context"
	"fmt"
	"math"
	"path"
	"path/filepath"
	"slices"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/kubelet/shim/shimapi"
)

// Where the output goes if the job says nothing, as under Slurm.
const (
	stdoutDefault      = "slurm-%j.out"
	stdoutDefaultArray = "slurm-%A_%a.out"
)

const millisPerSecond = 1000

// Command says what runs and how: arguments, working directory, standard files, limits, deadlines.
type Command struct{}

// Name implements Step.
func (Command) Name() string { return "command" }

// Prepare implements Step.
func (Command) Prepare(_ context.Context, p *Pod) error {
	role, err := p.Role()
	if err != nil {
		return err
	}
	main := role.Template.Main()
	spec := &p.Spec
	spec.Version, spec.Pod, spec.Attempt = shimapi.Version, p.Assignment.Key.PathName(), int(p.Assignment.Key.Attempt)
	if spec.Argv, err = argv(p, main); err != nil {
		return err
	}
	spec.Dir = workingDir(p, main)
	spec.Umask = int(main.Umask)
	spec.Rlimits, err = rlimits(main.SoftLimits)
	if err != nil {
		return err
	}
	streams(p, main)
	spec.TimeLimitMS = p.Assignment.TimeLimitSeconds * millisPerSecond
	spec.GraceMS = p.Template.Spec.GraceSeconds * millisPerSecond
	return warning(p)
}

// loginShells can read a login profile and then become the user's program.
var loginShells = []string{"sh", "bash", "dash", "ksh", "ksh93", "mksh", "zsh", "ash"}

// argv is the command. For a login environment the user's shell reads its profile and becomes the
// program: so the profile runs as the user, within the pod's limits and under its deadline.
func argv(p *Pod, main api.Container) ([]string, error) {
	command := slices.Concat(main.Command, main.Args)
	if p.Script != "" {
		command = slices.Concat([]string{p.Script}, main.Args)
	}
	if len(command) == 0 || command[0] == "" {
		return nil, &Failure{
			State: api.PodFailed, Reason: api.ReasonCommand, Message: "the job has neither a script nor a command",
		}
	}
	if shell := p.Owner.Shell; p.Template.Payload.LoginEnvironment && slices.Contains(loginShells, path.Base(shell)) {
		return slices.Concat([]string{shell, "-l", "-c", `exec "$0" "$@"`}, command), nil
	}
	return command, nil
}

// workingDir is where the job was submitted unless it says otherwise.
func workingDir(p *Pod, main api.Container) string {
	for _, dir := range []string{main.WorkingDir, p.Template.Spec.SubmitDir, p.Owner.Home} {
		if filepath.IsAbs(dir) {
			return filepath.Clean(dir)
		}
	}
	return "/"
}

// streams resolves the standard files. A requeued attempt goes on in the file of the one before.
func streams(p *Pod, main api.Container) {
	p.Spec.Attach = main.Attach
	if main.Attach {
		p.Spec.KillOnDetach = true
		return
	}
	out := main.Stdout
	if out == "" {
		out = stdoutDefault
		if p.Assignment.Key.Index != api.NoIndex {
			out = stdoutDefaultArray
		}
	}
	more := main.AppendOutput || p.Assignment.Restarts > 0
	p.Spec.Stdin = shimapi.Stream{Path: p.expand(main.Stdin)}
	p.Spec.Stdout = shimapi.Stream{Path: p.expand(out), Append: more}
	p.Spec.Stderr = shimapi.Stream{Path: p.expand(main.Stderr), Append: more}
}

// Outputs says where the output of a pod goes (or went), absolute; empty for an attached run and for
// an error output that is joined with the standard one.
func Outputs(p *Pod) (stdout, stderr string) {
	main := p.Main()
	p.Spec.Dir = workingDir(p, main)
	streams(p, main)
	return p.Spec.Stdout.Path, p.Spec.Stderr.Path
}

// expand fills in a pattern and makes it absolute.
func (p *Pod) expand(pattern string) string {
	if pattern == "" {
		return ""
	}
	key := p.Assignment.Key
	file := api.ExpandPattern(pattern, api.PatternVars{
		JobID: p.Assignment.TaskID, ArrayJobID: key.Owner, Index: key.Index, Node: p.Node, NodeRank: key.Rank,
		User: p.Template.Spec.Owner.User, JobName: p.Template.Spec.Name,
	})
	if filepath.IsAbs(file) {
		return file
	}
	return filepath.Join(p.Spec.Dir, file)
}

// rlimits translates the soft limits, in a fixed order.
func rlimits(limits map[string]int64) ([]shimapi.Rlimit, error) {
	var out []shimapi.Rlimit
	for name, value := range limits {
		resource, ok := rlimitNames[name]
		if !ok {
			return nil, fmt.Errorf("the job has a soft limit %q, which this node does not know", name)
		}
		soft := uint64(value)
		if value < 0 {
			soft = math.MaxUint64
		}
		out = append(out, shimapi.Rlimit{Resource: resource, Soft: soft})
	}
	slices.SortFunc(out, func(a, b shimapi.Rlimit) int { return a.Resource - b.Resource })
	return out, nil
}

// warning asks the shim for the signal before the time limit.
func warning(p *Pod) error {
	w := p.Template.Spec.Warning
	if w == nil {
		return nil
	}
	number, err := SignalNumber(w.Signal)
	if err != nil {
		return &Failure{State: api.PodFailed, Reason: api.ReasonCommand, Message: err.Error()}
	}
	p.Spec.Warn = &shimapi.Warn{Signal: number, BeforeMS: w.BeforeSeconds * millisPerSecond, MainOnly: w.BatchOnly}
	return nil
}

// Cleanup implements Step: nothing was made.
func (Command) Cleanup(context.Context, api.PodAssignment) error { return nil }
