package kubelet_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coxswain-hpc/coxswain/kubelet"
)

// TestWhatOthersKeepBesideUsStays: an admin names a directory for temporary files that has been in use
// for years.
func TestWhatOthersKeepBesideUsStays(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	b.opts.ScratchDir = t.TempDir()
	results := filepath.Join(b.opts.ScratchDir, "42-1", "results")
	require.NoError(t, os.MkdirAll(results, 0o700))
	require.NoError(t, os.MkdirAll(filepath.Join(b.opts.StateDir, "spool", "cron"), 0o700))
	left := filepath.Join(b.opts.ScratchDir, "cox-n1", "7_3.2-1", "left")
	require.NoError(t, os.MkdirAll(left, 0o700))
	b.start()
	require.DirExists(t, results)
	require.DirExists(t, filepath.Join(b.opts.StateDir, "spool", "cron"))
	require.NoDirExists(t, left, "what a killed kubelet left goes")
	require.NoError(t, os.RemoveAll(filepath.Join(b.opts.StateDir, "spool", "cron")))
}

// TestADirectoryThatAnybodyMayHaveMadeIsRefused: root would make directories, and hand them out, where a
// user's link leads.
func TestADirectoryThatAnybodyMayHaveMadeIsRefused(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	for name, plant := range map[string]func(path string) error{
		"link":   func(path string) error { return os.Symlink(b.workDir, path) },
		"broken": func(path string) error { return os.Symlink("/nowhere", path) },
		"nobody": func(path string) error { return os.Mkdir(path, 0o777) },
	} {
		b.opts.ScratchDir = filepath.Join(t.TempDir(), name)
		path := filepath.Join(b.opts.ScratchDir, "cox-n1")
		require.NoError(t, os.Mkdir(b.opts.ScratchDir, 0o755))
		require.NoError(t, plant(path))
		if name == "nobody" {
			require.NoError(t, os.Chown(path, nobody, nobody))
		}
		k, err := kubelet.New(b.opts)
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		cancel() // if it were accepted, it would end at once
		require.ErrorContains(t, k.Run(ctx), "only this kubelet can write to", name)
	}
}
