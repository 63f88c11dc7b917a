package header

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coxswain-hpc/coxswain/api"
)

func TestPrecedence(t *testing.T) {
	t.Parallel()
	script := []byte("#!/bin/bash\n#COX --job-name=cox\n#SBATCH --job-name=sbatch\ntrue\n")
	for _, c := range []struct {
		environ, args []string
		want          string
	}{
		{nil, nil, "cox"},
		{[]string{"SBATCH_JOB_NAME=variable"}, nil, "variable"},
		{[]string{"SBATCH_JOB_NAME=variable"}, []string{"-Jargs"}, "args"},
		{[]string{"SBATCH_JOB_NAME="}, nil, "cox"},
		{nil, []string{"-J", "first", "--job-name=last"}, "last"},
	} {
		o, rest, err := Parse(Input{Script: script, Environ: c.environ, Args: append(c.args, "job.sh", "a",
			"-b")})
		require.NoError(t, err)
		require.Equal(t, c.want, o.JobName)
		require.Equal(t, []string{"job.sh", "a", "-b"}, rest)
		require.Equal(t, []string{"a", "-b"}, o.Args)
	}
}

func TestHigherLevelReplacesExcluded(t *testing.T) {
	t.Parallel()
	o, err := parse("#SBATCH --mem=4G -c 4", "--mem-per-cpu=1G")
	require.NoError(t, err)
	require.Nil(t, o.MemoryBytes)
	require.Equal(t, api.GiB, *o.MemoryPerCPUBytes)
	o, err = parse("#SBATCH -c 4 -n 2", "--cpus=500m")
	require.NoError(t, err)
	require.Zero(t, o.CPUsPerTask+o.Tasks)
	require.EqualValues(t, 500, o.CPUMillis)
	o, err = parse("#COX --cpus=500m", "-c4")
	require.NoError(t, err)
	require.Zero(t, o.CPUMillis)
}

func TestExcludedInOneLevel(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]string{
		"#SBATCH --mem=4G\n#SBATCH --mem-per-cpu=1G": "line 3: --mem-per-cpu and --mem (line 2) exclude " +
			"each other",
		"#COX --cpus=1 -c 2": "--cpus-per-task and --cpus (line 2) exclude each " +
			"other",
		"#COX -n 2 --cpus=1": "--cpus and --ntasks (line 2) exclude each other",
	} {
		_, err := parse(header)
		require.ErrorContains(t, err, want)
		require.Equal(t, api.CodeInvalid, api.CodeOf(err))
	}
	_, err := parse("#SBATCH --mem=4G --mem=5G -c 2 -n 3")
	require.NoError(t, err)
}

func TestErrorsNameLineAndOption(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]string{
		"#SBATCH --begin=whenever": `line 2: --begin: begin time "whenever"`,
		"#SBATCH --gres=gpu:1":     "line 2: --gres is not done yet: GPUs",
		"\n#SBATCH --hint=x":       "line 3: --hint is not done yet",
		"#SBATCH --tiem=5": "line 2: --tiem is unknown; the nearest known option " +
			"is --time",
		"#SBATCH time=5":                          `line 2: "time=5" is no option`,
		"#SBATCH --time = 5":                      `line 2: --time: time "="`,
		"#SBATCH --time":                          "line 2: --time needs a value",
		"#SBATCH --wrap=x":                        "line 2: --wrap works on the command line only",
		"#SBATCH --cpus=1":                        "line 2: --cpus is Coxswain's own option",
		"#SBATCH --comment=\"open":                "line 2: a quote is not closed",
		"#SBATCH -N 2":                            "line 2: --nodes: 2 nodes: a job runs on one node so far",
		"#SBATCH -w n1,n2":                        "asks for 2 nodes",
		"#SBATCH --exclusive=user":                "line 2: --exclusive: --exclusive=user is not done yet",
		"#SBATCH hetjob":                          "line 2: jobs of several different parts",
		"#SBATCH -p a,b":                          "a choice of partitions",
		"#SBATCH --signal=R:USR1":                 "R: is for reservations",
		"#SBATCH --dependency=afterburstbuffer:1": "afterburstbuffer is not done yet",
		"#PBS -l x":                               "line 2: #PBS lines are not read",
		"#BSUB -q x":                              "line 2: #BSUB lines are not read",
		"#SBATCH --test-only":                     "line 2: --test-only is not done yet",
	} {
		_, err := parse(header)
		require.ErrorContains(t, err, want, header)
	}
}

func TestManyErrorsAreBounded(t *testing.T) {
	t.Parallel()
	_, err := parse(strings.Repeat("#SBATCH --gres=gpu:1\n", 1000))
	require.ErrorContains(t, err, "and 980 more")
	require.Equal(t, api.CodeUnsupported, api.CodeOf(err))
	_, err = parse("#SBATCH --gres=gpu:1\n#SBATCH --time=x")
	require.Equal(t, api.CodeInvalid, api.CodeOf(err))
}

func TestIgnoreUnsupported(t *testing.T) {
	t.Parallel()
	o, err := parse("#SBATCH --hint=nomultithread\n#SBATCH -m block", "--ignore-unsupported=hint,-m")
	require.NoError(t, err)
	require.Equal(t, []string{
		"line 2: --hint is ignored, as you asked", "line 3: --distribution is ignored, as you asked",
	}, o.Notes)
	_, err = parse("#SBATCH --hint=x\n#COX --ignore-unsupported=hint")
	require.NoError(t, err)
	_, err = parse("", "--ignore-unsupported=time-min,comment")
	require.NoError(t, err, "names of unused and of honoured options are no error")
	for list, want := range map[string]string{
		"all":         `there is no "all"`,
		"ALL,hint":    `there is no "all"`,
		"gres":        "--gres can't be dropped",
		"G":           "--gpus can't be dropped",
		"dependency":  "--dependency can't be dropped",
		"uid":         "--uid can't be dropped",
		"nodes":       "--nodes can't be dropped",
		"test-only":   "--test-only can't be dropped",
		"hnit":        "nearest known option is hint",
		"hint,,power": "a name is empty",
		"":            "a name is empty",
	} {
		_, err := parse("#SBATCH --hint=x", "--ignore-unsupported="+list)
		require.ErrorContains(t, err, want, list)
	}
}

func TestVariablesOfOptions(t *testing.T) {
	t.Parallel()
	in := Input{Script: []byte(plainScript), Args: []string{"j"}, Environ: []string{
		"SBATCH_TIMELIMIT=5", "SBATCH_DEBUG=1", "SBATCH_REQUEUE=1", "SBATCH_FOO=1",
		"SBATCH_MEM_BIND_LIST=0x1",
		"SBATCH_EXCLUSIVE=1", "OTHER=1", "broken",
	}}
	o, _, err := Parse(in)
	require.NoError(t, err)
	require.EqualValues(t, 300, o.TimeSeconds)
	require.Equal(t, 1, o.Verbose)
	require.True(t, o.Exclusive)
	require.Equal(t, []string{"SBATCH_FOO is the variable of no option and has no effect"}, o.Notes)
	in.Environ = []string{"SBATCH_GRES=gpu:1"}
	_, _, err = Parse(in)
	require.ErrorContains(t, err, "SBATCH_GRES: --gres is not done yet")
}

func TestHeaderEndsAtTheFirstCommand(t *testing.T) {
	t.Parallel()
	in := Input{Args: []string{"j"}, Script: []byte("#!/bin/bash\n#SBATCH -c 2\n\n  # x\nset -e\n#SBATCH " +
		"--gres=gpu:1\n")}
	o, _, err := Parse(in)
	require.NoError(t, err)
	require.EqualValues(t, 2, o.CPUsPerTask)
	require.Equal(t, []string{"line 6: this #SBATCH line stands after the first command, so it has no " +
		"effect"}, o.Notes)
}

func TestBadScripts(t *testing.T) {
	t.Parallel()
	for script, want := range map[string]string{
		"":                                  "the script is empty",
		"\n \n":                             "the script is empty",
		"echo hello\n":                      "must begin with #!",
		"\n#!/bin/sh\n":                     "must begin with #!",
		"#!/bin/sh\necho a\x00b\n":          "NUL",
		"#!/bin/sh\r\necho a\r\n":           "DOS line ends",
		"#!" + strings.Repeat("x", 4<<20+1): "more than 4 MiB",
	} {
		_, _, err := Parse(Input{Script: []byte(script), Args: []string{"j"}})
		require.ErrorContains(t, err, want)
	}
}

func TestWhatIsRun(t *testing.T) {
	t.Parallel()
	o, _, err := Parse(Input{Args: []string{"-c2", "--", "/usr/bin/env", "-i"}})
	require.NoError(t, err)
	require.Equal(t, []string{"/usr/bin/env", "-i"}, o.Command)
	submit, _, err := o.Build(testContext())
	require.NoError(t, err)
	require.Equal(t, "env", submit.Spec.Name)
	require.Equal(t, o.Command, mainOf(submit).Command)
	require.Empty(t, submit.Payload.Script)

	o, _, err = Parse(Input{Args: []string{"--wrap=echo a; echo b"}})
	require.NoError(t, err)
	submit, _, err = o.Build(testContext())
	require.NoError(t, err)
	require.Equal(t, "wrap", submit.Spec.Name)
	require.Equal(t, "#!/bin/sh\n# Made by cox submit --wrap.\necho a; echo b\n",
		string(submit.Payload.Script))

	o, _, err = Parse(Input{Script: []byte(plainScript)})
	require.NoError(t, err)
	submit, _, err = o.Build(testContext())
	require.NoError(t, err)
	require.Equal(t, "sbatch", submit.Spec.Name)

	o, _, err = Parse(Input{Script: []byte(plainScript), Args: []string{"-", "x"}})
	require.NoError(t, err)
	require.Equal(t, "sbatch", o.defaultName())
	require.Equal(t, []string{"x"}, o.Args)

	o, _, err = Parse(Input{Args: []string{"--help", "whatever"}})
	require.NoError(t, err)
	require.True(t, o.Help)
}

func TestWhatIsRunErrors(t *testing.T) {
	t.Parallel()
	for want, args := range map[string][]string{
		"quote it":                {"--wrap=echo", "a"},
		"no command behind --":    {"-c2", "--"},
		"several different parts": {"-c2", ":", "-n2", "b.sh"},
	} {
		_, _, err := Parse(Input{Args: args, Script: []byte(plainScript)})
		require.ErrorContains(t, err, want)
	}
}

func TestIgnorePBS(t *testing.T) {
	t.Parallel()
	o, err := parse("#PBS -l x\n#SBATCH --ignore-pbs")
	require.NoError(t, err)
	require.True(t, o.IgnorePBS)
	_, err = parse("#PBSx\n#PBS_NODEFILE is a comment")
	require.NoError(t, err)
}
