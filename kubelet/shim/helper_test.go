package shim_test

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// rusageOf runs a script directly and returns what the kernel says of it.
func rusageOf(t *testing.T, script string) *syscall.Rusage {
	t.Helper()
	cmd := exec.Command("/bin/bash", "-c", script)
	require.NoError(t, cmd.Run())
	usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	require.True(t, ok)
	return usage
}

// runHelper is what the test binary does when a test starts it again as another program.
func runHelper(name string) int {
	helpers := map[string]func() error{"unprivileged": unprivileged, "kubelet": beKubelet}
	helper, ok := helpers[name]
	if !ok {
		fmt.Fprintln(os.Stderr, "unknown helper", name)
		return 2
	}
	if err := helper(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}
