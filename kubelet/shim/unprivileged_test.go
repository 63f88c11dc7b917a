package shim_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/coxswain-hpc/coxswain/kubelet/cgroup"
	"github.com/coxswain-hpc/coxswain/kubelet/shim"
	"github.com/coxswain-hpc/coxswain/kubelet/shim/shimapi"
)

// unprivilegedResult is what the helper, an ordinary user's kubelet, found.
type unprivilegedResult struct {
	Info    cgroup.Info
	Ended   shimapi.ExitRecord
	Stopped shimapi.ExitRecord
	Foreign shimapi.ExitRecord
}

// TestUnprivileged runs pods as an ordinary user, who has no cgroups: everything works but the
// limits, and each of those is named.
func TestUnprivileged(t *testing.T) {
	require.Zero(t, os.Geteuid(), "this test needs root, to become somebody else")
	dir := worldReadableDir(t)
	require.NoError(t, os.Chown(dir, nobody, nobody))
	self, err := os.Executable()
	require.NoError(t, err)
	program := filepath.Join(dir, "helper") // the test binary's own directory is closed to others
	data, err := os.ReadFile(self)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(program, data, 0o755))
	cmd := exec.Command(program)
	cmd.Dir = dir
	cmd.Env = []string{"COX_SHIM_TEST_HELPER=unprivileged", "SHIM=" + shimBinary, "PATH=/usr/bin:/bin"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	require.NoError(t, err)
	var result unprivilegedResult
	require.NoError(t, json.Unmarshal(out, &result), string(out))

	require.Equal(t, cgroup.ModeNone, result.Info.Mode)
	require.Len(t, result.Info.Conditions, 7)
	for _, c := range result.Info.Conditions {
		require.Contains(t, c.Reason, "root", "the reason says what to do")
	}
	require.Equal(t, shimapi.ReasonExited, result.Ended.Reason)
	require.Equal(t, 5, result.Ended.ExitCode)
	require.True(t, result.Ended.Usage.FromDescendant)
	require.Positive(t, result.Ended.Usage.CPUNS)
	require.Positive(t, result.Ended.Usage.MaxProcessRSS)
	require.Equal(t, shimapi.Reason("cancelled"), result.Stopped.Reason)
	require.Equal(t, int(unix.SIGKILL), result.Stopped.Signal)
	require.Equal(t, shimapi.ReasonStartFailed, result.Foreign.Reason)
	require.Equal(t, shimapi.StepIdentity, result.Foreign.Start.Step)
	require.False(t, result.Foreign.Start.User)
	pids, err := os.ReadFile(filepath.Join(dir, "pids"))
	require.NoError(t, err)
	require.Len(t, strings.Fields(string(pids)), 2)
	for word := range strings.FieldsSeq(string(pids)) {
		pid, err := strconv.Atoi(word)
		require.NoError(t, err)
		require.ErrorIs(t, unix.Kill(pid, 0), unix.ESRCH, "an escaped process lives on")
	}
}

// unprivileged is the helper's side.
func unprivileged() error {
	ctx, cancel := context.WithTimeout(context.Background(), waitMax)
	defer cancel()
	driver, err := cgroup.Detect(cgroup.Config{Node: "n1"})
	if err != nil {
		return err
	}
	shims, err := driver.Shims()
	if err != nil {
		return err
	}
	starter, err := shim.NewStarter(os.Getenv("SHIM"), shims)
	if err != nil {
		return err
	}
	defer starter.Close()
	result := unprivilegedResult{Info: driver.Info()}
	me := &shimapi.User{UID: nobody, GID: nobody}
	for _, run := range []struct {
		script string
		user   *shimapi.User
		into   *shimapi.ExitRecord
		stop   bool
	}{
		{`(setsid bash -c 'trap "" TERM HUP; echo $$ >> pids; exec sleep 1000' &)
			setsid sleep 1000 & echo $! >> pids
			until [ "$(wc -l < pids)" = 2 ]; do sleep 0.01; done; exit 5`, me, &result.Ended, false},
		{stubborn, me, &result.Stopped, true},
		{"exit 0", &shimapi.User{UID: 1, GID: 1}, &result.Foreign, false},
	} {
		*run.into, err = runUnprivileged(ctx, starter, run.script, run.user, run.stop)
		if err != nil {
			return err
		}
	}
	return json.NewEncoder(os.Stdout).Encode(result)
}

func runUnprivileged(
	ctx context.Context, starter *shim.Starter, script string, user *shimapi.User, stop bool,
) (shimapi.ExitRecord, error) {
	work, err := os.Getwd()
	if err != nil {
		return shimapi.ExitRecord{}, err
	}
	dir, err := os.MkdirTemp(work, "pod-")
	if err != nil {
		return shimapi.ExitRecord{}, err
	}
	client, err := starter.Start(ctx, dir, shimapi.Spec{
		Pod: "unprivileged", Argv: []string{"bash", "-c", script}, Env: []string{"PATH=/usr/bin:/bin"},
		Dir: work, User: user, Umask: 0o022, Stdout: shimapi.Stream{Path: dir + "/out"},
	})
	if err != nil {
		return shimapi.ExitRecord{}, err
	}
	if stop {
		if err := awaitReady(ctx, dir+"/out"); err != nil {
			return shimapi.ExitRecord{}, err
		}
		if err := client.Stop(ctx, "cancelled", 50*time.Millisecond); err != nil {
			return shimapi.ExitRecord{}, fmt.Errorf("stop: %w", err)
		}
	}
	return client.Wait(ctx)
}

// awaitReady waits until a script has set its traps and says so.
func awaitReady(ctx context.Context, path string) error {
	look := time.NewTicker(poll)
	defer look.Stop()
	for {
		data, err := os.ReadFile(path)
		if err != nil || strings.Contains(string(data), "ready") {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-look.C:
		}
	}
}
