package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/test/cluster"
)

// memory reads the resident memory of the idle kubelet and server, and of a shim with a sleeping job.
func memory(ctx context.Context, b *bench) error {
	for name, words := range map[string][]string{
		"rss_mib_server": {"cox", "server"}, "rss_mib_kubelet": {"cox", "kubelet"},
	} {
		pid := b.cluster.Child(words...)
		if pid == 0 {
			return fmt.Errorf("no process %v", words)
		}
		mib, err := residentMiB(pid)
		if err != nil {
			return err
		}
		b.result(name, mib, "MiB")
	}
	return shimMemory(ctx, b)
}

func shimMemory(ctx context.Context, b *bench) error {
	cl, err := b.cluster.Client()
	if err != nil {
		return err
	}
	defer cl.Close()
	stored, err := cl.SubmitJob(ctx, job("sleep", []string{"/bin/sleep", "600"}, "/dev/null"))
	if err != nil {
		return err
	}
	err = cl.WaitJob(ctx, stored.ID, func(j api.Job) (bool, error) {
		if j.Status.State.Ended() {
			return false, errors.New("the sleeping job ended: " + j.Status.Message)
		}
		return j.Status.State == api.JobRunning, nil
	})
	if err != nil {
		return err
	}
	var mib float64
	err = cluster.Until(ctx, func() (bool, error) {
		for _, pid := range cluster.Processes() {
			if strings.Contains(cluster.CommandLine(pid), "cox-shim") {
				mib, err = residentMiB(pid)
				return true, err
			}
		}
		return false, nil
	})
	if err != nil {
		return err
	}
	b.result("rss_mib_shim", mib, "MiB")
	return cl.CancelJob(ctx, stored.ID, "")
}

func residentMiB(pid int) (float64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, fmt.Errorf("memory of process %d: %w", pid, err)
	}
	for line := range strings.Lines(string(text)) {
		var kib float64
		if _, err := fmt.Sscanf(line, "VmRSS: %f kB", &kib); err == nil {
			return kib / 1024, nil
		}
	}
	return 0, fmt.Errorf("process %d has no VmRSS", pid)
}

func writeScript(path string) error {
	if err := os.WriteFile(path, []byte(noop), 0o755); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}
