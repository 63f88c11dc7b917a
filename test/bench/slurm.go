package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
)

// slurmRate finds the rate of the tuned array in the peer script's output.
var slurmRate = regexp.MustCompile(`TUNED_DEFER: array of \d+:.* ([\d.]+) jobs/s`) //nolint:gochecknoglobals // read-only

// slurmTasks runs the peer's own throughput section in the same run on the same machine. Its script
// installs Slurm from Debian and cleans up after itself.
func slurmTasks(ctx context.Context, b *bench) error {
	script := filepath.Join(b.peers, "slurm-bench.sh")
	if _, err := os.Stat(script); b.peers == "" || err != nil {
		b.note("slurm_tasks_per_s_one_node not measured: set PEERS to the folder of slurm-bench.sh")
		return nil
	}
	cmd := exec.CommandContext(ctx, "bash", script, "tput")
	cmd.Env = append(os.Environ(), "N_ARRAY="+strconv.Itoa(b.pick(5000, 200)), "N_SBATCH=100")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w\n%s", script, err, out.Bytes())
	}
	for lines := bufio.NewScanner(&out); lines.Scan(); {
		if m := slurmRate.FindStringSubmatch(lines.Text()); m != nil {
			rate, err := strconv.ParseFloat(m[1], 64)
			if err != nil {
				return fmt.Errorf("rate %q: %w", m[1], err)
			}
			b.result("slurm_tasks_per_s_one_node", rate, "1/s")
			return nil
		}
	}
	return fmt.Errorf("%s printed no rate", script)
}
