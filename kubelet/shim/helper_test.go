package shim_test

import (
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
	_, _ = os.Stderr.WriteString("unknown helper " + name + "\n")
	return 2
}
