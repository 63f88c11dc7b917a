package kubelet_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coxswain-hpc/coxswain/api"
)

// TestWithoutRoot runs the kubelet as an ordinary user: his pods run, nobody else's, and every limit
// that can't be enforced is a condition.
func TestWithoutRoot(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	require.NoError(t, os.Mkdir(b.opts.StateDir, 0o755))
	require.NoError(t, os.Chown(b.opts.StateDir, nobody, nobody))
	require.NoError(t, os.Chmod(filepath.Dir(b.path), 0o755))
	require.NoError(t, os.Chmod(b.path, 0o777))
	cmd := b.childAs(&syscall.Credential{Uid: nobody, Gid: nobody})

	b.mu.Lock()
	var kinds []string
	for _, c := range b.statuses[0].Conditions {
		kinds = append(kinds, c.Type)
		require.NotEmpty(t, c.Message)
	}
	b.mu.Unlock()
	for _, kind := range []string{
		"single_user", "memory_limit_not_enforced", "cpu_limit_not_enforced", "process_limit_not_enforced",
	} {
		require.Contains(t, kinds, kind)
	}

	own := b.script("echo own; (setsid sleep 600 &) ; exit 6\n")
	end := b.waitEnd(own)
	require.Equal(t, 6, end.Exit.Code, "%+v", end.Exit)
	require.Equal(t, "own\n", b.output(own))
	limited := b.script("sleep 600\n", func(a *api.PodAssignment, _ *api.KubeletTemplate) { a.TimeLimitSeconds = 1 })
	require.Equal(t, api.PodTimeout, b.waitEnd(limited).State)
	root := b.script("id\n", func(_ *api.PodAssignment, t *api.KubeletTemplate) {
		t.Spec.Owner = api.Identity{User: "root"}
	})
	require.Equal(t, api.ReasonIdentity, b.waitEnd(root).Exit.Reason)

	kill(t, cmd)
	for _, key := range []api.PodKey{own, limited, root} {
		b.release(key)
	}
	b.childAs(&syscall.Credential{Uid: nobody, Gid: nobody})
	b.requireNothingLeft()
}
