package kubelet_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/coxswain-hpc/coxswain/api"
)

// TestAFullStateDirectory fills the disk under the state directory: starts fail as the node's fault
// and with a condition, what runs is not lost, and with room again all is well.
func TestAFullStateDirectory(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	require.NoError(t, os.Mkdir(b.opts.StateDir, 0o755))
	require.NoError(t, unix.Mount("tmpfs", b.opts.StateDir, "tmpfs", 0, "size=4m,mode=755"))
	t.Cleanup(func() {
		b.stop()
		require.NoError(t, unix.Unmount(b.opts.StateDir, unix.MNT_DETACH))
	})
	b.start()
	running := b.script("while [ ! -e go ]; do sleep 0.01; done; exit 8\n")
	b.waitState(running, api.PodRunning)

	filler := filepath.Join(b.opts.StateDir, "filler")
	f, err := os.Create(filler)
	require.NoError(t, err)
	block := make([]byte, 4096)
	for err == nil {
		_, err = f.Write(block)
	}
	require.ErrorIs(t, err, unix.ENOSPC)
	require.NoError(t, f.Close())

	refused := b.script("true\n")
	end := b.waitEnd(refused)
	require.Equal(t, api.PodStartFailed, end.State)
	require.Equal(t, api.ReasonNode, end.Exit.Reason)
	require.Contains(t, end.Exit.Message, "no space left on device")
	b.wait("the condition", func() bool {
		for _, c := range b.statuses[len(b.statuses)-1].Conditions {
			if c.Type == "state_disk_full" {
				return true
			}
		}
		return false
	})

	touch(t, b.workDir, "go")
	require.Equal(t, 8, b.waitEnd(running).Exit.Code, "what ran is told, though its record has no room yet")
	require.NoError(t, os.Remove(filler))
	again := b.script("echo again\n")
	require.Equal(t, api.PodCompleted, b.waitEnd(again).State)
	for _, key := range []api.PodKey{running, refused, again} {
		b.release(key)
	}
	b.requireNothingLeft()
}
