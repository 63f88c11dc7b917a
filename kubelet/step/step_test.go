package step_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/kubelet/shim/shimapi"
	"github.com/coxswain-hpc/coxswain/kubelet/step"
)

func pod(change ...func(*step.Pod)) *step.Pod {
	requests := api.Resources{CPUMillis: 1500, MemoryBytes: 1 << 30}
	p := &step.Pod{
		Node: "n1.example.org", StartAt: time.Unix(1000, 0),
		Owner: api.Identity{User: "ada", UID: 1001, GID: 1002, Home: "/home/ada", Shell: "/bin/bash"},
		Assignment: api.PodAssignment{
			Key: api.PodKey{Instance: api.Instance{Owner: 42, Index: 7}, Attempt: 2}, TaskID: 49, CPUs: "0-1",
			Resources: api.Resources{CPUMillis: 2000, MemoryBytes: 1 << 30}, TimeLimitSeconds: 60, Restarts: 1,
		},
		Template: api.KubeletTemplate{
			Cluster: "c", ArrayCount: 10, ArrayMin: 1, ArrayMax: 19, ArrayStep: 2,
			Spec: api.JobSpec{
				Name: "sweep", Partition: "main", Account: "lab", QOS: "normal", SubmitDir: "/home/ada/run",
				SubmitHost: "login", Owner: api.Identity{User: "ada", UID: 1001, GID: 1002}, GraceSeconds: 30,
				Roles: []api.Role{{Name: "main", Count: 1, Template: api.PodTemplate{Containers: []api.Container{{
					Main: true, Args: []string{"a b"}, Requests: requests, Limits: requests, Umask: 0o027,
				}}}}},
			},
		},
		Script: "/spool/slurm_script", Scratch: "/scratch/42_7-2",
	}
	for _, f := range change {
		f(p)
	}
	return p
}

func main(p *step.Pod) *api.Container { return &p.Template.Spec.Roles[0].Template.Containers[0] }

func environment(t *testing.T, p *step.Pod) map[string]string {
	t.Helper()
	require.NoError(t, step.Environment{}.Prepare(t.Context(), p))
	out := map[string]string{}
	for _, entry := range p.Spec.Env {
		name, value, _ := strings.Cut(entry, "=")
		require.NotContains(t, out, name, "set twice")
		out[name] = value
	}
	return out
}

func TestEnvironment(t *testing.T) {
	t.Parallel()
	p := pod(func(p *step.Pod) {
		p.Template.Payload.Environment = []string{
			"HOME=/elsewhere", "TMPDIR=/tmp", "BASH_FUNC_module%%=() {  eval `x`\n}", "SBATCH_ACCOUNT=x",
			"COX_CONTEXT=lab", "SLURM_JOB_ID=1", "SLURM_ARRAY_TASK_ID=99", "SLURM_JOB_DEPENDENCY=z",
			"COX_INDEX=3", "SLURM_CONF=/etc/slurm.conf", "broken",
		}
	})
	require.Equal(t, map[string]string{
		"HOME": "/elsewhere", "TMPDIR": "/scratch/42_7-2", "BASH_FUNC_module%%": "() {  eval `x`\n}",
		"SBATCH_ACCOUNT": "x", "COX_CONTEXT": "lab", "SLURM_CONF": "/etc/slurm.conf", "USER": "ada",
		"LOGNAME": "ada", "SHELL": "/bin/bash", "PATH": "/usr/local/bin:/usr/bin:/bin", "SLURM_JOB_ID": "49",
		"SLURM_JOBID": "49", "SLURM_JOB_NAME": "sweep", "SLURM_JOB_PARTITION": "main",
		"SLURM_JOB_ACCOUNT": "lab", "SLURM_JOB_QOS": "normal", "SLURM_JOB_USER": "ada", "SLURM_JOB_UID": "1001",
		"SLURM_JOB_GID": "1002", "SLURM_SUBMIT_DIR": "/home/ada/run", "SLURM_SUBMIT_HOST": "login",
		"SLURM_CLUSTER_NAME": "c", "SLURM_JOB_START_TIME": "1000", "SLURM_JOB_END_TIME": "1060",
		"SLURM_RESTART_COUNT": "1", "SLURM_ARRAY_JOB_ID": "42", "SLURM_ARRAY_TASK_ID": "7",
		"SLURM_ARRAY_TASK_COUNT": "10", "SLURM_ARRAY_TASK_MIN": "1", "SLURM_ARRAY_TASK_MAX": "19",
		"SLURM_ARRAY_TASK_STEP": "2", "SLURM_CPUS_PER_TASK": "2", "SLURM_CPUS_ON_NODE": "2",
		"SLURM_JOB_CPUS_PER_NODE": "2", "SLURM_MEM_PER_NODE": "1024", "SLURM_NTASKS": "1", "SLURM_NPROCS": "1",
		"SLURM_NNODES": "1", "SLURM_JOB_NUM_NODES": "1", "SLURM_TASKS_PER_NODE": "1",
		"SLURM_NODELIST": "n1.example.org", "SLURM_JOB_NODELIST": "n1.example.org",
		"SLURMD_NODENAME": "n1.example.org", "SLURM_PROCID": "0", "SLURM_LOCALID": "0", "SLURM_NODEID": "0",
		"COX_JOB_ID": "42", "COX_TASK_ID": "49", "COX_INDEX": "7", "COX_RANK": "0", "COX_ATTEMPT": "2",
		"COX_NODE": "n1.example.org", "COX_CPUS": "2", "COX_CPU_LIST": "0-1", "COX_MEMORY_BYTES": "1073741824",
	}, environment(t, p))

	plain := environment(t, pod(func(p *step.Pod) {
		p.Assignment.Key.Index, p.Assignment.Restarts = api.NoIndex, 0
		p.Template.Payload.Environment = []string{"SLURM_ARRAY_TASK_ID=99", "SLURM_RESTART_COUNT=5"}
	}))
	for _, name := range []string{"SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_JOB_ID", "SLURM_RESTART_COUNT", "COX_INDEX"} {
		require.NotContains(t, plain, name, "a job that a job submitted sees its own numbers only")
	}
}

// TestWhatTheHeaderAskedForStays: submission knows that --ntasks=4 --mem-per-cpu=1G was given.
func TestWhatTheHeaderAskedForStays(t *testing.T) {
	t.Parallel()
	asked := map[string]string{
		"SLURM_CPUS_PER_TASK": "3", "SLURM_NTASKS": "4", "SLURM_NPROCS": "4", "SLURM_TASKS_PER_NODE": "4",
		"SLURM_NTASKS_PER_NODE": "4", "SLURM_MEM_PER_CPU": "1024",
	}
	got := environment(t, pod(func(p *step.Pod) {
		for name, value := range asked {
			p.Template.Payload.Environment = append(p.Template.Payload.Environment, name+"="+value)
		}
	}))
	for name, value := range asked {
		require.Equal(t, value, got[name], name)
	}
	require.NotContains(t, got, "SLURM_MEM_PER_NODE", "of the two only one may be set")
	require.Equal(t, "1", got["SLURM_NNODES"])
}

func command(t *testing.T, p *step.Pod) shimapi.Spec {
	t.Helper()
	require.NoError(t, step.Command{}.Prepare(t.Context(), p))
	require.NoError(t, p.Spec.Validate())
	return p.Spec
}

func TestCommand(t *testing.T) {
	t.Parallel()
	spec := command(t, pod())
	require.Equal(t, []string{"/spool/slurm_script", "a b"}, spec.Argv)
	require.Equal(t, "/home/ada/run", spec.Dir)
	require.Equal(t, shimapi.Stream{Path: "/home/ada/run/slurm-42_7.out", Append: true}, spec.Stdout)
	require.Empty(t, spec.Stderr.Path, "joined with stdout")
	require.Empty(t, spec.Stdin.Path, "/dev/null")
	require.EqualValues(t, 60_000, spec.TimeLimitMS)
	require.EqualValues(t, 30_000, spec.GraceMS)
	require.Equal(t, 0o027, spec.Umask)

	spec = command(t, pod(func(p *step.Pod) {
		p.Assignment.Key.Index, p.Assignment.Restarts = api.NoIndex, 0
		m := main(p)
		m.WorkingDir, m.Stdin, m.Stderr = "/data", "in.txt", "err/%x-%j-%N"
		m.SoftLimits = map[string]int64{"nofile": 512, "core": -1}
		p.Template.Spec.Warning = &api.WarningSignal{Signal: "USR1", BeforeSeconds: 120, BatchOnly: true}
	}))
	require.Equal(t, shimapi.Stream{Path: "/data/slurm-49.out"}, spec.Stdout)
	require.Equal(t, "/data/in.txt", spec.Stdin.Path)
	require.Equal(t, "/data/err/sweep-49-n1", spec.Stderr.Path)
	require.Len(t, spec.Rlimits, 2)
	require.Equal(t, &shimapi.Warn{Signal: 10, BeforeMS: 120_000, MainOnly: true}, spec.Warn)

	spec = command(t, pod(func(p *step.Pod) { main(p).Attach = true }))
	require.True(t, spec.Attach && spec.KillOnDetach)
	require.Empty(t, spec.Stdout.Path)

	spec = command(t, pod(func(p *step.Pod) { p.Template.Payload.LoginEnvironment = true }))
	require.Equal(t, []string{"/bin/bash", "-l", "-c", `exec "$0" "$@"`, "/spool/slurm_script", "a b"}, spec.Argv)
	spec = command(t, pod(func(p *step.Pod) { p.Template.Payload.LoginEnvironment, p.Owner.Shell = true, "/bin/tcsh" }))
	require.Equal(t, "/spool/slurm_script", spec.Argv[0])
}

func TestCommandsThatCannotRun(t *testing.T) {
	t.Parallel()
	err := step.Command{}.Prepare(t.Context(), pod(func(p *step.Pod) { p.Script, main(p).Args = "", nil }))
	require.Equal(t, api.ReasonCommand, step.FailureOf(err).Reason)
	require.Equal(t, api.PodFailed, step.FailureOf(err).State)
	err = step.Command{}.Prepare(t.Context(), pod(func(p *step.Pod) { main(p).SoftLimits = map[string]int64{"x": 1} }))
	require.Equal(t, api.PodStartFailed, step.FailureOf(err).State)
	err = step.Command{}.Prepare(t.Context(), pod(func(p *step.Pod) { p.Template.Role = 5 }))
	require.Equal(t, api.PodStartFailed, step.FailureOf(err).State)
}

func TestSignalNumber(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{"USR1": 10, "SIGUSR1": 10, "usr1": 10, "10": 10, "term": 15, "64": 64} {
		got, err := step.SignalNumber(text)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	for _, bad := range []string{"", "0", "65", "-1", "USR9", "SIG"} {
		_, err := step.SignalNumber(bad)
		require.Equal(t, api.CodeInvalid, api.CodeOf(err), bad)
	}
}

// names answers as it is told.
type names struct {
	identity api.Identity
	err      error
}

func (n names) ByUID(context.Context, int64) (api.Identity, error) { return n.identity, n.err }

func TestIdentity(t *testing.T) {
	t.Parallel()
	ada := api.Identity{User: "ada", UID: 1001, GID: 1002, Home: "/h", Shell: "/s"}
	for _, c := range []struct {
		name  string
		check step.Identity
		uid   int64
		says  string // empty: fine
		delay bool
	}{
		{name: "same user", check: step.Identity{Names: names{identity: ada}, Floor: 1000}, uid: 1001},
		{
			name:  "another user",
			check: step.Identity{Names: names{identity: api.Identity{User: "bob"}}, Floor: 1000}, uid: 1001,
			says: "knows uid 1001 as bob",
		},
		{
			name:  "nobody has it",
			check: step.Identity{Names: names{err: api.Errorf(api.CodeNotFound, "no")}, Floor: 1000}, uid: 1001,
			says: "knows no user",
		},
		{
			name:  "no answer",
			check: step.Identity{Names: names{err: api.Errorf(api.CodeUnavailable, "down")}, Floor: 1000},
			uid:   1001, says: "down", delay: true,
		},
		{
			name: "below the floor", check: step.Identity{Names: names{identity: ada}, Floor: 1000}, uid: 999,
			says: "below 1000",
		},
		{name: "root with leave", check: step.Identity{Names: names{identity: ada}}, uid: 0},
		{
			name:  "our own user without root",
			check: step.Identity{Names: names{identity: ada}, Floor: 5000, Self: 1001}, uid: 1001,
		},
		{
			name: "others without root", check: step.Identity{Names: names{identity: ada}, Self: 7}, uid: 1001,
			says: "without root's rights",
		},
		{name: "minus one", check: step.Identity{Names: names{identity: ada}}, uid: -1, says: "no ids"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := pod(func(p *step.Pod) { p.Template.Spec.Owner.UID = c.uid })
			err := c.check.Prepare(t.Context(), p)
			if c.says == "" {
				require.NoError(t, err)
				require.Equal(t, "/h", p.Owner.Home)
				require.EqualValues(t, c.uid, p.Spec.User.UID)
				return
			}
			require.ErrorContains(t, err, c.says)
			var delay *step.Delay
			require.Equal(t, c.delay, errors.As(err, &delay))
			if !c.delay {
				require.Equal(t, api.ReasonIdentity, step.FailureOf(err).Reason)
				require.Equal(t, api.PodRefused, step.FailureOf(err).State)
			}
		})
	}
}

// TestTheMachinesOwnGroupsAreNotGivenAway: a server says that ada is in disk and shadow.
func TestTheMachinesOwnGroupsAreNotGivenAway(t *testing.T) {
	t.Parallel()
	known := api.Identity{User: "ada", UID: 1001, GID: 100, Groups: []int64{100, 44}}
	check := step.Identity{Names: names{identity: known}, Floor: 1000}
	with := func(gid int64, groups ...int64) *step.Pod {
		return pod(func(p *step.Pod) { p.Template.Spec.Owner.GID, p.Template.Spec.Owner.Groups = gid, groups })
	}
	p := with(100, 100, 6, 44, 42, 5000)
	require.NoError(t, check.Prepare(t.Context(), p))
	require.EqualValues(t, 100, p.Spec.User.GID)
	require.Equal(t, []uint32{100, 44, 5000}, p.Spec.User.Groups)
	require.ErrorContains(t, check.Prepare(t.Context(), with(0)), "group 0")
}

func TestSpoolAndScratch(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	spool, scratch := step.Spool{Dir: dir}, step.Scratch{Dir: filepath.Join(dir, "s")}
	require.NoError(t, os.Mkdir(scratch.Dir, 0o755))
	p := pod(func(p *step.Pod) { p.Template.Payload.Script = []byte("#!/bin/sh\nexit 0\n") })
	list := step.List{scratch, spool}
	for range 2 { // the second time over what a killed kubelet left
		require.NoError(t, list.Prepare(t.Context(), p))
		info, err := os.Stat(p.Script)
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o500), info.Mode().Perm())
		info, err = os.Stat(filepath.Dir(p.Script))
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o700), info.Mode().Perm())
		require.NoError(t, os.WriteFile(filepath.Join(p.Scratch, "left"), nil, 0o600))
	}
	elsewhere := filepath.Join(t.TempDir(), "mine")
	require.NoError(t, os.WriteFile(elsewhere, nil, 0o600))
	require.NoError(t, os.Symlink(filepath.Dir(elsewhere), filepath.Join(p.Scratch, "link")))
	for range 2 {
		require.NoError(t, list.Cleanup(t.Context(), p.Assignment))
	}
	require.NoDirExists(t, p.Scratch)
	require.NoDirExists(t, filepath.Dir(p.Script))
	require.FileExists(t, elsewhere, "a symbolic link leads nobody astray")
}

func TestCgroupNames(t *testing.T) {
	t.Parallel()
	a := api.PodAssignment{
		Key: api.PodKey{Instance: api.Instance{Owner: 42, Index: 7, Rank: 3}, Attempt: 11}, Class: api.ClassGuaranteed,
	}
	got := step.CgroupPod(a)
	require.NoError(t, got.Validate())
	require.Equal(t, "42_7.3", got.ID)
	require.Equal(t, 11, got.Attempt)
	require.Equal(t, "guaranteed", got.Class)
	a.Class = ""
	require.Equal(t, "burstable", step.CgroupPod(a).Class)
}

// failing fails at both ends and counts.
type failing struct {
	name     string
	prepare  error
	cleanup  error
	cleanups *[]string
}

func (f failing) Name() string                             { return f.name }
func (f failing) Prepare(context.Context, *step.Pod) error { return f.prepare }
func (f failing) Cleanup(context.Context, api.PodAssignment) error {
	*f.cleanups = append(*f.cleanups, f.name)
	return f.cleanup
}

func TestCleanupGoesBackwardsAndOn(t *testing.T) {
	t.Parallel()
	var done []string
	broken := errors.New("broken")
	list := step.List{
		failing{name: "a", cleanups: &done},
		failing{name: "b", cleanup: broken, cleanups: &done},
		failing{name: "c", prepare: broken, cleanups: &done},
	}
	err := list.Prepare(t.Context(), pod())
	require.ErrorIs(t, err, broken)
	require.ErrorContains(t, err, "c: ")
	require.Equal(t, api.PodStartFailed, step.FailureOf(err).State, "an unknown error is the node's")
	require.ErrorIs(t, list.Cleanup(t.Context(), api.PodAssignment{}), broken)
	require.Equal(t, []string{"c", "b", "a"}, done)
}
