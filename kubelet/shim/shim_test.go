package shim_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coxswain-hpc/coxswain/kubelet/shim/shimapi"
)

func TestExitCode(t *testing.T) {
	n := newNode(t)
	p := n.start(t, n.spec(t, "exit 7"), fullLimits)
	record := p.wait(t)
	require.Equal(t, shimapi.ReasonExited, record.Reason, "%+v", record.Start)
	require.Equal(t, 7, record.ExitCode)
	n.remove(t, p)
}
