package header

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coxswain-hpc/coxswain/api"
)

func TestBuildWholeRequest(t *testing.T) {
	t.Parallel()
	submit, notes := mustBuild(t, `#SBATCH -J sweep -A lab -p short -q high --comment="a b" --wckey=k
#SBATCH --array=0-9%3 --nice=7 --hold --begin=now+1hour
#SBATCH -c 2 --mem=4G -t 1-12 --signal=B:USR1@120 --no-requeue
#SBATCH -o out/%A_%a.log -e err -i in --open-mode=append -D work
#SBATCH --dependency=afterok:41 --kill-on-invalid-dep=no --exclude=n[08-10]
#SBATCH --mail-type=END,FAIL --mail-user=ada@example.org --export=HOME
#COX --kill-grace=60 --requeue-exit-codes=75,100-101 --allow-future-nodes`, "-w", "n1")
	begin := time.Date(2026, 11, 24, 15, 30, 0, 0, time.UTC)
	size := api.Resources{CPUMillis: 2000, MemoryBytes: 4 * api.GiB}
	want := api.JobSubmit{
		Spec: api.JobSpec{
			Name: "sweep", Account: "lab", Partition: "short", QOS: "high", Comment: "a b", WCKey: "k",
			Nice: 7, Array: "0-9%3", Hold: true, BeginAt: &begin,
			Dependencies:            []api.Dependency{{Kind: api.DependencyAfterOK, On: 41, OnIndex: api.NoIndex}},
			KeepOnInvalidDependency: true,
			TimeLimitSeconds:        129600, GraceSeconds: 60,
			Warning:   &api.WarningSignal{Signal: "USR1", BeforeSeconds: 120, BatchOnly: true},
			NoRequeue: true, RequeueExitCodes: []int{75, 100, 101},
			NodeNames: []string{"n1"}, ExcludedNodes: []string{"n08", "n09", "n10"},
			Mail:       &api.Mail{Events: []string{"end", "fail"}, User: "ada@example.org"},
			SubmitHost: "login1", SubmitDir: "/home/ada/run", AllowFutureNodes: true,
			Roles: []api.Role{{Name: "main", Count: 1, Template: api.PodTemplate{Containers: []api.Container{{
				Name: "main", Main: true, Args: []string{}, Requests: size, Limits: size,
				WorkingDir: "/home/ada/run/work", Stdin: "in", Stdout: "out/%A_%a.log", Stderr: "err",
				AppendOutput: true, Umask: 0o22, SoftLimits: testContext().SoftLimits,
			}}}}},
		},
		Payload: api.Payload{
			Script: submit.Payload.Script, LoginEnvironment: true,
			Environment: []string{"HOME=/home/ada", "SLURM_CPUS_PER_TASK=2", "SLURM_MEM_PER_NODE=4096"},
		},
	}
	require.Equal(t, want, submit)
	require.Contains(t, string(submit.Payload.Script), "#SBATCH -J sweep")
	require.Empty(t, notes)
}

func TestBuildSilent(t *testing.T) {
	t.Parallel()
	submit, notes := mustBuild(t, "")
	require.Equal(t, "job.sh", submit.Spec.Name)
	require.Zero(t, mainOf(submit).Requests, "the server fills CPUs and memory")
	require.Zero(t, submit.Spec.TimeLimitSeconds+submit.Spec.GraceSeconds)
	require.Equal(t, "/home/ada/run", mainOf(submit).WorkingDir)
	require.Equal(t, []string{"PATH=/bin", "HOME=/home/ada"}, submit.Payload.Environment)
	require.False(t, submit.Payload.LoginEnvironment)
	require.Empty(t, notes)
}

func TestSizes(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]struct {
		cpu, limit, memory int64
		whole              bool
	}{
		"-c 4":                                 {4000, 4000, 0, false},
		"-n 4":                                 {4000, 4000, 0, false},
		"-N 1":                                 {1000, 1000, 0, false},
		"-N 1 -n 4 -c 2":                       {8000, 8000, 0, false},
		"-N 1 --ntasks-per-node=8":             {8000, 8000, 0, false},
		"--ntasks-per-node=8 -n 4 -c 2":        {8000, 8000, 0, false},
		"--mem=512":                            {0, 0, 512 * api.MiB, false},
		"--mem=0 -c 2":                         {2000, 2000, 0, true},
		"--mem-per-cpu=0":                      {0, 0, 0, true},
		"--mem-per-cpu=1G":                     {1000, 1000, api.GiB, false},
		"--mem-per-cpu=1500 -n 4 -c 2":         {8000, 8000, 12000 * api.MiB, false},
		"--cpus=500m":                          {500, 0, 0, false},
		"--cpus=500m --mem-per-cpu=1G":         {500, 0, 512 * api.MiB, false},
		"--cpus=0.5 --mem=1G -N 1":             {500, 0, api.GiB, false},
		"-n 1000 --mem-per-cpu=1T":             {1000000, 1000000, 1000 * api.TiB, false},
		"-N 1-4 --ntasks 2":                    {2000, 2000, 0, false},
		"-n 1000000":                           {1e9, 1e9, 0, false},
		"--cpus=1m --mem-per-cpu=1G":           {1, 0, (api.GiB + 999) / 1000, false},
		"--cpus=1000000 --mem-per-cpu=1024M":   {1e9, 0, 1000000 * api.GiB, false},
		"-c 1 -n 1 --tasks-per-node=1 --mem=2": {1000, 1000, 2 * api.MiB, false},
	} {
		submit, _ := mustBuild(t, "#COX "+header)
		m := mainOf(submit)
		require.Equal(t, api.Resources{CPUMillis: want.cpu, MemoryBytes: want.memory}, m.Requests, header)
		require.Equal(t, api.Resources{CPUMillis: want.limit, MemoryBytes: want.memory}, m.Limits, header)
		require.Equal(t, want.whole, m.WholeNodeMemory, header)
	}
}

func TestSizeErrors(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]string{
		"-n 1000000 -c 2":             "more than 1000000 CPUs",
		"-n 2000 --mem-per-cpu=1T":    "is more than 1 PiB",
		"-n 8 --ntasks-per-node=4":    "need several nodes",
		"-n 1000000 -c 1000000":       "more than 1000000 CPUs",
		"-n 3 --mem-per-cpu=1048576G": "is more than 1 PiB",
	} {
		o, err := parse("#SBATCH " + header)
		require.NoError(t, err, header)
		_, _, err = o.Build(testContext())
		require.ErrorContains(t, err, want, header)
	}
}

func TestNotes(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]string{
		"-N 1-4":                 "of 1 to 4 nodes the job gets 1",
		"--exclusive":            exclusiveNote,
		"--mail-user=a":          "--mail-user has no effect without --mail-type",
		"--export=ALL,NOT_THERE": "--export names NOT_THERE, which is not set",
	} {
		_, notes := mustBuild(t, "#SBATCH "+header)
		require.Equal(t, []string{want}, notes)
	}
}

func TestTimes(t *testing.T) {
	t.Parallel()
	for v, want := range map[string]int64{
		"30": 1800, "10:00": 600, "1-12:00:00": 129600, "0": api.UnlimitedSeconds,
		"UNLIMITED": api.UnlimitedSeconds,
		"0:05":      5,
	} {
		submit, _ := mustBuild(t, "#SBATCH --time="+v)
		require.Equal(t, want, submit.Spec.TimeLimitSeconds, v)
	}
}

func TestStreams(t *testing.T) {
	t.Parallel()
	submit, _ := mustBuild(t, "#SBATCH -o none -e /dev/null -D /scratch/../data/")
	require.Equal(t, "/dev/null", mainOf(submit).Stdout)
	require.Equal(t, "/data", mainOf(submit).WorkingDir)
}

func TestPropagate(t *testing.T) {
	t.Parallel()
	for v, want := range map[string]map[string]int64{
		"":                  testContext().SoftLimits,
		"=ALL":              testContext().SoftLimits,
		"=NONE":             {},
		"=STACK,RLIMIT_CPU": {"stack": 8 << 20},
	} {
		submit, _ := mustBuild(t, "#SBATCH --propagate"+v)
		require.Equal(t, want, mainOf(submit).SoftLimits, v)
	}
	_, err := parse("#SBATCH --propagate=STACK,HEAP")
	require.ErrorContains(t, err, `"heap" is no limit`)
}

func TestRequeueLastWins(t *testing.T) {
	t.Parallel()
	submit, _ := mustBuild(t, "#SBATCH --no-requeue\n#SBATCH --requeue")
	require.False(t, submit.Spec.NoRequeue)
	submit, _ = mustBuild(t, "#SBATCH --requeue", "--no-requeue")
	require.True(t, submit.Spec.NoRequeue)
}
