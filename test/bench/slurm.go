package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
)

// slurmFigures are the tuned peer's figures in its script's output, by the names of our results.
var slurmFigures = []struct {
	name, unit string
	line       *regexp.Regexp
}{
	{"slurm_run_true_ms_p50", "ms", regexp.MustCompile(`TUNED_DEFER: srun -n1 /bin/true wall:.* p50=([\d.]+) ms`)},
	{"slurm_tasks_per_s_one_node", "1/s", regexp.MustCompile(`TUNED_DEFER: array of \d+:.* ([\d.]+) jobs/s`)},
	{
		"slurm_submit_processes_per_s", "1/s",
		regexp.MustCompile(`TUNED_DEFER: \d+ sbatch calls,.* = ([\d.]+) submits/s`),
	},
}

// slurm runs the peer's own script in the same run on the same machine. It installs Slurm from Debian
// and cleans up after itself. Its array is smaller than ours, since its rate does not depend on it.
func slurm(ctx context.Context, b *bench) error {
	script := filepath.Join(b.peers, "slurm-bench.sh")
	if _, err := os.Stat(script); b.peers == "" || err != nil {
		for _, f := range slurmFigures {
			b.note("%s not measured: set PEERS to the folder of slurm-bench.sh", f.name)
		}
		return nil
	}
	cmd := exec.CommandContext(ctx, "bash", script, "lat", "tput")
	cmd.Env = append(os.Environ(), "N_ARRAY="+strconv.Itoa(b.pick(1000, 200)), "N_LAT="+strconv.Itoa(b.pick(30, 10)),
		"N_SBATCH="+strconv.Itoa(b.pick(400, 100)), "PAR="+strconv.Itoa(clients))
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w\n%s", script, err, out)
	}
	for _, f := range slurmFigures {
		m := f.line.FindSubmatch(out)
		if m == nil {
			return fmt.Errorf("%s printed no %s:\n%s", script, f.name, out)
		}
		value, err := strconv.ParseFloat(string(m[1]), 64)
		if err != nil {
			return fmt.Errorf("%s: %q: %w", f.name, m[1], err)
		}
		b.result(f.name, value, f.unit)
	}
	return nil
}
