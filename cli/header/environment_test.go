package header

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coxswain-hpc/coxswain/api"
)

func TestEnvironment(t *testing.T) {
	t.Parallel()
	environ := []string{
		"PATH=/bin", "SEED=1", "MULTI=a\nb\n", "BASH_FUNC_module%%=() {  eval 'x'\n}", "SLURM_JOB_ID=7",
		"SLURM_ARRAY_TASK_ID=3", "COX_JOB_ID=7", "COX_CONTEXT=lab", "SLURM_CONF=/etc/x", "SBATCH_QOS=q",
		"EMPTY=",
		"nonsense", "=odd",
	}
	kept := []string{
		"PATH=/bin", "SEED=1", "MULTI=a\nb\n", "BASH_FUNC_module%%=() {  eval 'x'\n}", "COX_CONTEXT=lab",
		"SLURM_CONF=/etc/x", "SBATCH_QOS=q", "EMPTY=",
	}
	for _, c := range []struct {
		export string
		want   []string
		login  bool
	}{
		{"", kept, false},
		{"ALL", kept, false},
		{"all", kept, false},
		{"NONE", nil, true},
		{"NIL", nil, false},
		{"SEED", []string{"SEED=1"}, true},
		{"SEED,CASE=2", []string{"SEED=1", "CASE=2"}, true},
		{"module", []string{"BASH_FUNC_module%%=() {  eval 'x'\n}"}, true},
		{"BASH_FUNC_module%%,MULTI", []string{"BASH_FUNC_module%%=() {  eval 'x'\n}", "MULTI=a\nb\n"}, true},
		{"SLURM_JOB_ID", []string{"SLURM_JOB_ID=7"}, true},
		{`A="x,y",B='z=1'`, []string{"A=x,y", "B=z=1"}, true},
		{"A=", []string{"A="}, true},
		{"A=1,A=2", []string{"A=2"}, true},
	} {
		env, login, notes, err := (&Options{Export: c.export}).environment(environ, nil)
		require.NoError(t, err, c.export)
		require.Equal(t, c.want, env, c.export)
		require.Equal(t, c.login, login, c.export)
		require.Empty(t, notes)
	}
	env, login, _, err := (&Options{Export: "ALL,SEED=3"}).environment(environ, []string{"SLURM_NTASKS=4"})
	require.NoError(t, err)
	require.False(t, login)
	require.Contains(t, env, "SEED=3")
	require.NotContains(t, env, "SEED=1")
	require.Contains(t, env, "SLURM_NTASKS=4")
	require.Len(t, env, len(kept)+1)
}

func TestExportErrors(t *testing.T) {
	t.Parallel()
	for v, want := range map[string]string{
		"NONE,A=1": "NONE stands alone",
		"A,,B":     "is no name of a variable",
		"=x":       "is no name of a variable",
		"A B":      "is no name of a variable",
		`A="x`:     "a quote is not closed",
	} {
		_, err := parse("", "--export="+v)
		require.ErrorContains(t, err, want, v)
	}
}

func TestEnvironmentIsBounded(t *testing.T) {
	t.Parallel()
	o, err := parse("")
	require.NoError(t, err)
	c := testContext()
	c.Environ = []string{"BIG=" + strings.Repeat("x", EnvironmentBytesMax)}
	_, _, err = o.Build(c)
	require.Equal(t, api.CodeLimit, api.CodeOf(err))
}

func TestSlurmVariables(t *testing.T) {
	t.Parallel()
	submit, _ := mustBuild(t, "#SBATCH -n 4 -c 2 --ntasks-per-node=4 --mem-per-cpu=1G", "--export=NIL")
	require.Equal(t, []string{
		"SLURM_CPUS_PER_TASK=2", "SLURM_NTASKS=4", "SLURM_NPROCS=4", "SLURM_TASKS_PER_NODE=4",
		"SLURM_NTASKS_PER_NODE=4", "SLURM_MEM_PER_CPU=1024",
	}, submit.Payload.Environment)
}
