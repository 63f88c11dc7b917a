package podgroup

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/coxswain-hpc/coxswain/kubelet/shim/shimapi"
)

// Waiting for a killed group: most are empty within a millisecond, one that writes a core file or
// sits in a file server's call takes as long as that takes.
const (
	emptyPollMin = 200 * time.Microsecond
	emptyPollMax = 50 * time.Millisecond
)

// Signal sends sig to every process of the group and returns how many got it. Processes that fork
// meanwhile may escape it; only Kill is certain.
func Signal(c shimapi.Cgroup, sig unix.Signal) (int, error) {
	pids, err := Procs(c)
	if err != nil {
		return 0, err
	}
	return signalAll(pids, sig), nil
}

func signalAll(pids []int, sig unix.Signal) int {
	sent := 0
	for _, pid := range pids {
		if unix.Kill(pid, sig) == nil {
			sent++
		}
	}
	return sent
}

// Kill sends SIGKILL to every member, those included that a fork is just adding. It doesn't wait.
// It tolerates a group that is gone and may be called again.
func Kill(c shimapi.Cgroup) error {
	if c.Tracker != "" {
		err := writeFile(filepath.Join(c.Tracker, "cgroup.kill"), "1")
		if !gone(err) {
			return err
		}
		if _, err := os.Stat(c.Tracker); gone(err) {
			return nil
		}
		// cgroup.kill came with Linux 5.14, the freezer with 5.2.
		return killFrozen(c, filepath.Join(c.Tracker, "cgroup.freeze"), "1", "0")
	}
	if c.Freezer != "" {
		return killFrozen(c, filepath.Join(c.Freezer, "freezer.state"), "FROZEN", "THAWED")
	}
	return nil
}

// killFrozen stops the group first, so that no fork outruns the list of pids. The signals are
// delivered at the thaw, which must happen whatever else fails.
func killFrozen(c shimapi.Cgroup, path, freeze, thaw string) error {
	if err := writeFile(path, freeze); err != nil && !gone(err) {
		return fmt.Errorf("freeze before kill: %w", err)
	}
	_, err := Signal(c, unix.SIGKILL)
	thawErr := writeFile(path, thaw)
	if gone(thawErr) {
		thawErr = nil
	}
	return errors.Join(err, thawErr)
}

// KillAndWait kills until the group is empty or ctx ends. It repeats the kill, because a v1 freeze
// may not be complete when the list is read.
func KillAndWait(ctx context.Context, c shimapi.Cgroup) error {
	pause := emptyPollMin
	for {
		empty, err := Empty(c)
		if err != nil || empty {
			return err
		}
		if err := Kill(c); err != nil {
			return err
		}
		if err := sleep(ctx, pause); err != nil {
			return fmt.Errorf("processes in %s survive SIGKILL: %w", membership(c), err)
		}
		pause = min(2*pause, emptyPollMax)
	}
}

// WaitEmpty waits until the group has no process or ctx ends.
func WaitEmpty(ctx context.Context, c shimapi.Cgroup) error {
	pause := emptyPollMin
	for {
		empty, err := Empty(c)
		if err != nil || empty {
			return err
		}
		if err := sleep(ctx, pause); err != nil {
			return fmt.Errorf("wait for %s to empty: %w", membership(c), err)
		}
		pause = min(2*pause, emptyPollMax)
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// writeFile writes to an existing control file. os.WriteFile would create a file on a tree that
// isn't a cgroup mount, and that would look like success; it also truncates, which is a needless
// system call here.
func writeFile(path, data string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(data)
	return errors.Join(err, f.Close())
}
