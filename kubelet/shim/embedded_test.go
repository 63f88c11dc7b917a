package shim

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestInstall(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first, err := install(dir, []byte("one"))
	require.NoError(t, err)
	second, err := install(dir, []byte("two"))
	require.NoError(t, err)
	require.NotEqual(t, first, second, "an upgrade leaves the old program alone")
	before, err := os.Stat(first)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(binaryMode), before.Mode())

	again, err := install(dir, []byte("one"))
	require.NoError(t, err)
	require.Equal(t, first, again)
	after, err := os.Stat(first)
	require.NoError(t, err)
	require.True(t, os.SameFile(before, after), "reused, not replaced")

	require.NoError(t, os.WriteFile(first, []byte("damaged"), 0o755))
	_, err = install(dir, []byte("one"))
	require.NoError(t, err)
	data, err := os.ReadFile(first)
	require.NoError(t, err)
	require.Equal(t, "one", string(data))

	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, left, 2, "no temporary file stays")
}

func TestInstallNamesTheRemedy(t *testing.T) {
	t.Parallel()
	if _, err := embedded.ReadFile(embeddedPath); err == nil {
		path, err := Install(t.TempDir())
		require.NoError(t, err)
		require.FileExists(t, path)
		return
	}
	_, err := Install(t.TempDir())
	require.ErrorContains(t, err, "make build")
}
