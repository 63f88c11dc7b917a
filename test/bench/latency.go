package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/test/cluster"
)

// startMax bounds the wait for one start.
const startMax = 20 * time.Second

// submitToStart measures from the acknowledged submit to the job's first instruction: the job is
// bash printing its clock, as in the measurement of the peer. At least 1,000 starts in five runs.
func submitToStart(ctx context.Context, b *bench) error {
	cl, err := b.cluster.Client()
	if err != nil {
		return err
	}
	defer cl.Close()
	var all []time.Duration
	for range b.pick(5, 1) {
		var runs []time.Duration
		for i := range b.pick(200, 20) {
			out := filepath.Join(b.cluster.Dir, fmt.Sprintf("start-%d.out", i))
			job := job("start", []string{"/bin/bash", "-c", "echo $EPOCHREALTIME"}, out)
			if _, err := cl.SubmitJob(ctx, job); err != nil {
				return err
			}
			acked := time.Now()
			started, err := readClock(ctx, out)
			if err != nil {
				return err
			}
			_ = os.Remove(out)
			runs = append(runs, started.Sub(acked))
		}
		b.note("run of %d starts: p50 %.1f ms, p99 %.1f ms", len(runs), quantile(runs, 0.5), quantile(runs, 0.99))
		all = append(all, runs...)
	}
	b.result("submit_to_start_ms_p50", quantile(all, 0.5), "ms")
	b.result("submit_to_start_ms_p99", quantile(all, 0.99), "ms")
	return nil
}

// readClock waits for a line with seconds.microseconds.
func readClock(ctx context.Context, path string) (time.Time, error) {
	ctx, cancel := context.WithTimeout(ctx, startMax)
	defer cancel()
	var at time.Time
	err := cluster.Until(ctx, func() (bool, error) {
		text, err := os.ReadFile(path)
		if err != nil || !strings.HasSuffix(string(text), "\n") {
			return false, nil //nolint:nilerr // not written yet
		}
		sec, micro, _ := strings.Cut(strings.TrimSpace(string(text)), ".")
		s, err1 := strconv.ParseInt(sec, 10, 64)
		u, err2 := strconv.ParseInt(micro, 10, 64)
		if err1 != nil || err2 != nil {
			return false, fmt.Errorf("%s holds %q", path, text)
		}
		at = time.Unix(s, u*1000)
		return true, nil
	})
	return at, err
}

// runTrue measures `cox run -- true` as a whole process.
func runTrue(ctx context.Context, b *bench) error {
	var all []time.Duration
	for range b.pick(5, 1) {
		for range b.pick(200, 10) {
			began := time.Now()
			if out, err := b.cluster.Command(ctx, "run", "--", "true").CombinedOutput(); err != nil {
				return fmt.Errorf("cox run: %w: %s", err, out)
			}
			all = append(all, time.Since(began))
		}
	}
	b.result("run_true_ms_p50", quantile(all, 0.5), "ms")
	b.note("cox run -- true: p99 %.1f ms over %d", quantile(all, 0.99), len(all))
	return nil
}

// job is a small job: 31 thousandths of a CPU, so that 64 fit on a machine of two.
func job(name string, command []string, stdout string) api.JobSubmit {
	ask := api.Resources{CPUMillis: 31, MemoryBytes: 64 << 20}
	return api.JobSubmit{Spec: api.JobSpec{
		Name: name,
		Roles: []api.Role{{Name: "main", Count: 1, Template: api.PodTemplate{Containers: []api.Container{{
			Name: "main", Main: true, Command: command, WorkingDir: "/",
			Stdout: stdout, Umask: 0o22, Requests: ask,
			Limits: api.Resources{CPUMillis: 1000, MemoryBytes: 64 << 20},
		}}}}},
		TimeLimitSeconds: 600,
	}}
}
