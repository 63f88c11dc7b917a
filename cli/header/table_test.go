package header

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// sbatchOptions lists the long options of sbatch 22.05 to 24.11, kept apart from the table.
var sbatchOptions = []string{
	"account", "acctg-freq", "array", "batch", "bb", "bbf", "begin", "chdir", "cluster-constraint",
	"clusters",
	"comment", "constraint", "container", "container-id", "contiguous", "core-spec", "cores-per-socket",
	"cpu-freq",
	"cpus-per-gpu", "cpus-per-task", "deadline", "delay-boot", "dependency", "distribution", "error",
	"exclude",
	"exclusive", "export", "export-file", "extra", "extra-node-info", "get-user-env", "gid", "gpu-bind",
	"gpu-freq",
	"gpus", "gpus-per-node", "gpus-per-socket", "gpus-per-task", "gres", "gres-flags", "help", "hint", "hold",
	"ignore-pbs", "input", "job-name", "kill-on-invalid-dep", "licenses", "mail-type", "mail-user",
	"mcs-label",
	"mem", "mem-bind", "mem-per-cpu", "mem-per-gpu", "mincpus", "network", "nice", "no-kill", "no-requeue",
	"nodefile", "nodelist", "nodes", "ntasks", "ntasks-per-core", "ntasks-per-gpu", "ntasks-per-node",
	"ntasks-per-socket", "oom-kill-step", "open-mode", "output", "overcommit", "oversubscribe", "parsable",
	"partition", "power", "prefer", "priority", "profile", "propagate", "qos", "quiet", "reboot", "requeue",
	"reservation", "resv-ports", "segment", "signal", "sockets-per-node", "spread-job", "stepmgr", "switches",
	"test-only", "thread-spec", "threads-per-core", "time", "time-min", "tmp", "tres-bind", "tres-per-task",
	"uid",
	"usage", "use-min-nodes", "verbose", "version", "wait", "wait-all-nodes", "wckey", "wrap",
}

// sbatchLetters are the short options of sbatch.
const sbatchLetters = "ABCDFGHJLMNOQSVWabcdehikmnopqstvwx"

func TestTableHasEveryOptionOfSbatch(t *testing.T) {
	t.Parallel()
	var slurm []string
	var letters []byte
	for _, o := range Table() {
		if !o.Cox {
			slurm = append(slurm, o.Name)
		}
		if o.Short != 0 {
			letters = append(letters, o.Short)
		}
	}
	require.Equal(t, sbatchOptions, slurm)
	slices.Sort(letters)
	require.Equal(t, sbatchLetters, string(letters))
}

func TestTableIsSound(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, o := range Table() {
		for _, name := range append(append([]string{o.Name}, o.Aliases...), o.Env...) {
			require.False(t, seen[name], name)
			seen[name] = true
		}
		require.NotEmpty(t, o.Meaning, o.Name)
		require.Equal(t, o.Later == "", o.set != nil, o.Name)
		require.Equal(t, o.Arg == ArgNone, o.Value == "", o.Name)
		if o.Honoured() && !o.Cox {
			require.Empty(t, o.Since, o.Name)
		}
	}
}

// examples has a value for each honoured option that changes the job or what the client does, with
// the arguments that it needs beside it.
var examples = map[string][]string{
	"account": {"--account=lab"}, "array": {"--array=0-3"}, "begin": {"--begin=now+1hour"},
	"chdir": {"--chdir=/tmp"}, "comment": {"--comment=x"}, "cpus-per-task": {"--cpus-per-task=2"},
	"dependency": {"--dependency=afterok:42"}, "error": {"--error=e"}, "exclude": {"--exclude=n1"},
	"exclusive": {"--exclusive"}, "export": {"--export=NONE"}, "hold": {"--hold"}, "input": {"--input=i"},
	"job-name": {"--job-name=x"}, "kill-on-invalid-dep": {"--kill-on-invalid-dep=no"},
	"mail-type": {"--mail-type=END"}, "mail-user": {"--mail-user=a@b.c", "--mail-type=END"},
	"mem": {"--mem=1G"}, "mem-per-cpu": {"--mem-per-cpu=1G"}, "nice": {"--nice"},
	"no-requeue": {"--no-requeue"},
	"nodelist":   {"--nodelist=n1"}, "nodes": {"--nodes=1"}, "ntasks": {"--ntasks=2"},
	"ntasks-per-node": {"--ntasks-per-node=2"}, "open-mode": {"--open-mode=append"}, "output": {"--output=o"},
	"parsable": {"--parsable"}, "partition": {"--partition=p"}, "propagate": {"--propagate=NONE"},
	"qos": {"--qos=q"}, "quiet": {"--quiet"}, "signal": {"--signal=USR1"}, "time": {"--time=5"},
	"verbose": {"--verbose"}, "wait": {"--wait"}, "wckey": {"--wckey=k"},
	"allow-future-nodes": {"--allow-future-nodes"}, "cpus": {"--cpus=500m"}, "kill-grace": {"--kill-grace=5"},
	"requeue-exit-codes": {"--requeue-exit-codes=75"},
	// After its opposite it changes the job.
	"requeue": {"--requeue"},
}

// notSent are honoured options with tests of their own: they decide what is read or shown.
var notSent = []string{"help", "usage", "version", "wrap", "ignore-pbs", "ignore-unsupported"}

func TestEachHonouredOptionHasAnEffect(t *testing.T) {
	t.Parallel()
	for _, o := range Table() {
		if !o.Honoured() || slices.Contains(notSent, o.Name) {
			continue
		}
		args := examples[o.Name]
		require.NotEmpty(t, args, "an example for %s", o.Name)
		header := ""
		if o.Name == "requeue" {
			header = "#SBATCH --no-requeue"
		}
		with, err := parse(header, args...)
		require.NoError(t, err, o.Name)
		without, err := parse(header, args[1:]...)
		require.NoError(t, err, o.Name)
		require.NotEqual(t, outcome(t, without), outcome(t, with), o.Name)
	}
}

func TestNearest(t *testing.T) {
	t.Parallel()
	for typed, want := range map[string]string{
		"job-nmae": "job-name", "tiem": "time", "cpu-per-task": "cpus-per-task", "patition": "partition",
		"ntask": "ntasks", "dependancy": "dependency", "mail-usr": "mail-user",
	} {
		require.Equal(t, want, nearest(typed), typed)
	}
	require.Equal(t, 1, distance("ab", "ba"))
	require.Equal(t, 3, distance("kitten", "sitting"))
	require.Equal(t, 0, distance("", ""))
}
