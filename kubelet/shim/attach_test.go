package shim_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coxswain-hpc/coxswain/kubelet/shim"
	"github.com/coxswain-hpc/coxswain/kubelet/shim/shimapi"
)

func startAttached(t *testing.T, n *node, script string, killOnDetach bool) (*pod, *shim.Attached) {
	t.Helper()
	spec := n.spec(t, script)
	spec.Attach, spec.KillOnDetach = true, killOnDetach
	p := n.start(t, spec, fullLimits)
	stream, err := p.client.Attach(t.Context())
	require.NoError(t, err)
	t.Cleanup(func() { _ = stream.Close() })
	return p, stream
}

// drain reads to the exit frame.
func drain(t *testing.T, stream *shim.Attached) (map[shimapi.Channel]string, *shimapi.ExitRecord) {
	t.Helper()
	buffers := map[shimapi.Channel]*bytes.Buffer{shimapi.ChannelStdout: {}, shimapi.ChannelStderr: {}}
	for {
		frame, err := stream.Next()
		require.NoError(t, err)
		if frame.Exit != nil {
			out := map[shimapi.Channel]string{}
			for channel, buffer := range buffers {
				out[channel] = buffer.String()
			}
			return out, frame.Exit
		}
		buffers[frame.Channel].Write(frame.Data)
	}
}

func TestAttachedStreams(t *testing.T) {
	n := newNode(t)
	p, stream := startAttached(t, n, `cat; echo oops >&2; echo again > /dev/stdout; exit 6`, true)
	input := strings.Repeat("all work and no play\n", 20_000) // several frames, and more than a pipe holds
	go func() {
		_, _ = stream.Write([]byte(input))
		_ = stream.CloseInput()
	}()
	out, record := drain(t, stream)
	require.Equal(t, input+"again\n", out[shimapi.ChannelStdout])
	require.Equal(t, "oops\n", out[shimapi.ChannelStderr])
	require.Equal(t, 6, record.ExitCode)
	require.Equal(t, *record, p.wait(t))
	n.remove(t, p)
}

// TestAttachedOutputSurvivesTheEnd attaches after the pod has ended.
func TestAttachedOutputSurvivesTheEnd(t *testing.T) {
	n := newNode(t)
	spec := n.spec(t, "echo done")
	spec.Attach = true
	p := n.start(t, spec, fullLimits)
	p.wait(t)
	stream, err := p.client.Attach(t.Context())
	require.NoError(t, err)
	out, record := drain(t, stream)
	require.Equal(t, "done\n", out[shimapi.ChannelStdout])
	require.Equal(t, shimapi.ReasonExited, record.Reason)
	n.remove(t, p)
}

// TestAttachedProgramWaitsForItsReader writes far more than the shim may hold.
func TestAttachedProgramWaitsForItsReader(t *testing.T) {
	n := newNode(t)
	p, stream := startAttached(t, n, `head -c 20000000 /dev/zero; exit 0`, true)
	out, record := drain(t, stream)
	require.Len(t, out[shimapi.ChannelStdout], 20_000_000)
	require.Zero(t, record.ExitCode)
	p.wait(t)
	n.remove(t, p)
}

func TestDetachEndsThePodOnlyIfAsked(t *testing.T) {
	n := newNode(t)
	p, stream := startAttached(t, n, `echo begun; sleep 1000`, true)
	frame, err := stream.Next()
	require.NoError(t, err)
	require.Equal(t, "begun\n", string(frame.Data))
	_, err = p.client.Attach(t.Context())
	require.ErrorContains(t, err, "another client")
	require.NoError(t, stream.Close())
	require.Equal(t, shimapi.ReasonDetached, p.wait(t).Reason)
	n.remove(t, p)

	// This one writes more than anybody holds, to nobody, and ends.
	p, stream = startAttached(t, n, `echo begun; read x; head -c 5000000 /dev/zero; exit 9`, false)
	_, err = stream.Next()
	require.NoError(t, err)
	_, err = stream.Write([]byte("go\n"))
	require.NoError(t, err)
	require.NoError(t, stream.Close())
	require.Equal(t, 9, p.wait(t).ExitCode)
	n.remove(t, p)
}

func TestAttachedPodCanBeStopped(t *testing.T) {
	n := newNode(t)
	p, stream := startAttached(t, n, trap, true)
	_, err := stream.Next()
	require.NoError(t, err)
	require.NoError(t, p.client.Stop(t.Context(), "cancelled", time.Minute))
	out, record := drain(t, stream)
	require.Equal(t, "TERM\n", out[shimapi.ChannelStdout])
	require.Equal(t, shimapi.Reason("cancelled"), record.Reason)
	p.wait(t)
	n.remove(t, p)
}
