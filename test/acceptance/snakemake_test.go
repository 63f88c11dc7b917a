package acceptance

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coxswain-hpc/coxswain/test/cluster"
)

// workflowMax bounds a workflow: each job starts a Python program of its own.
const workflowMax = 10 * time.Minute

// rules is the number of rules in the workflow, each with a job.
const rules = 50

// workflow is a directory with a Snakefile and the example profile.
func workflow(t *testing.T, c *cluster.Cluster, name, snakefile string) at {
	t.Helper()
	_, err := exec.LookPath("snakemake")
	require.NoError(t, err, "install the package snakemake")
	dir := filepath.Join(alice.home(), name)
	me := alice.at(t, c, alice.home())
	me.do("mkdir", dir)
	me.dir = dir
	me.write("Snakefile", snakefile)
	profile := filepath.Join(base, "profile")
	if _, err := os.Stat(profile); err != nil {
		require.NoError(t, os.CopyFS(profile, os.DirFS(filepath.Join("..", "..", "examples", "snakemake"))))
	}
	return me
}

// snakemake is a run of Debian's program with the example profile.
func (a at) snakemake(ctx context.Context, args ...string) (*exec.Cmd, *bytes.Buffer) {
	profile := []string{"--profile", filepath.Join(base, "profile")}
	small := []string{
		"--default-resources", "mem_mb=300", "minutes=5",
		"--max-status-checks-per-second", "3", // each is a Python program, too: ten take the jobs' cores
	}
	cmd := a.command(ctx, "snakemake", slices.Concat(profile, small, args)...)
	cmd.Env = append(cmd.Env, "CI=true") // it looks at its jobs at once instead of every ten seconds
	cmd.SysProcAttr.Setpgid = true
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	return cmd, &out
}

// idle waits until none of this person's jobs is left.
func (a at) idle() {
	a.t.Helper()
	a.eventually("[]", "queue", "-o", "json")
}

// squares is a workflow of 50 different rules: 48 that square a number, one that gathers them in order
// and one that adds them up.
func squares() string {
	var text strings.Builder
	parts := make([]string, rules-2)
	for i := range parts {
		parts[i] = fmt.Sprintf(`"part/%d"`, i)
		fmt.Fprintf(&text, squareRule, i)
	}
	return fmt.Sprintf(sumRules, strings.Join(parts, ", ")) + text.String()
}

const squareRule = `
rule square_%[1]d:
    output: "part/%[1]d"
    shell: "echo $((%[1]d * %[1]d)) > {output}"
`

const sumRules = `
rule total:
    input: "all"
    output: "total"
    shell: "awk '{{n += $1}} END {{print n}}' {input} > {output}"

rule gather:
    input: %s
    output: "all"
    shell: "cat {input} > {output}"
`

func TestSnakemake(t *testing.T) {
	t.Parallel()
	c := sharedCluster(t)
	me := workflow(t, c, "squares", squares())
	ctx, cancel := context.WithTimeout(t.Context(), workflowMax)
	defer cancel()
	cmd, out := me.snakemake(ctx)
	require.NoError(t, cmd.Run(), out)
	sum := 0
	for i := range rules - 2 {
		sum += i * i
	}
	require.Equal(t, fmt.Sprintln(sum), me.do("cat", "total"))
	require.Equal(t, rules, strings.Count(out.String(), "with external jobid"), out)
	me.idle()
}

func TestSnakemakeWithARuleThatFails(t *testing.T) {
	c := sharedCluster(t)
	me := workflow(t, c, "failing", `
rule all:
    input: "good", "never"

rule never:
    input: "bad"
    output: "never"
    shell: "touch {output}"

rule bad:
    output: "bad"
    shell: "echo reason for the failure; exit 7"

rule good:
    output: "good"
    shell: "touch {output}"
`)
	ctx, cancel := context.WithTimeout(t.Context(), workflowMax)
	defer cancel()
	cmd, out := me.snakemake(ctx, "--keep-going")
	err := cmd.Run()
	require.Error(t, err)
	require.Equal(t, 1, cmd.ProcessState.ExitCode(), out)
	require.Contains(t, out.String(), "Error in rule bad")
	require.FileExists(t, filepath.Join(me.dir, "good"))
	require.NoFileExists(t, filepath.Join(me.dir, "never"))
	me.idle()
	require.Contains(t, me.cox("history", "-n", "bad"), "failed")
}

func TestSnakemakeInterrupted(t *testing.T) {
	c := sharedCluster(t)
	me := workflow(t, c, "interrupted", `
rule all:
    input: expand("slow/{n}", n=range(6))

rule slow:
    output: "slow/{n}"
    shell: "sleep 600; touch {output}"
`)
	ctx, cancel := context.WithTimeout(t.Context(), workflowMax)
	defer cancel()
	cmd, out := me.snakemake(ctx)
	require.NoError(t, cmd.Start())
	me.eventually(`"running"`, "queue", "-n", "slow", "-o", "json")
	require.NoError(t, cluster.Until(ctx, func() (bool, error) {
		return strings.Count(me.cox("queue", "-n", "slow"), "slow") >= 6, nil
	}))
	require.NoError(t, syscall.Kill(-cmd.Process.Pid, syscall.SIGINT)) // Ctrl-C reaches the whole group
	require.Error(t, cmd.Wait(), out)
	me.idle()
	require.Contains(t, me.cox("history", "-n", "slow"), "cancelled")
}
