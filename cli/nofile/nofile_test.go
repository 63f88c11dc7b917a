package nofile_test

import (
	"fmt"
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coxswain-hpc/coxswain/cli/nofile"
)

const childVariable = "COX_TEST_NOFILE_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childVariable) != "" {
		fmt.Print(nofile.AtStart())
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func TestAtStartIsWhatTheParentGave(t *testing.T) {
	t.Parallel()
	cmd := exec.Command("sh", "-c", `ulimit -S -n 321 && exec "$0"`, os.Args[0])
	cmd.Env = append(os.Environ(), childVariable+"=1")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	require.Equal(t, "321", string(out))
}
