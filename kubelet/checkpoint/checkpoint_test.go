package checkpoint_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/kubelet/checkpoint"
)

func record(owner api.JobID) checkpoint.Record {
	key := api.PodKey{Instance: api.Instance{Owner: owner, Index: 7}, Attempt: 2}
	return checkpoint.Record{
		Assignment: api.PodAssignment{Key: key, CPUs: "0-1", State: api.PodBound},
		Epoch:      "e", BootID: "b", Owner: api.Identity{User: "ada", UID: 1000}, Stdout: "/home/ada/out",
	}
}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, err := checkpoint.Open(dir)
	require.NoError(t, err)
	one, two := record(1), record(2)
	require.NoError(t, s.Save(one))
	require.NoError(t, s.Save(two))
	two.Attach = true
	require.NoError(t, s.Save(two), "a record can be replaced")

	again, err := checkpoint.Open(dir)
	require.NoError(t, err)
	got, broken, err := again.Load()
	require.NoError(t, err)
	require.Empty(t, broken)
	one.Version, two.Version = checkpoint.Version, checkpoint.Version
	require.Equal(t, []checkpoint.Record{one, two}, got)

	require.NoError(t, s.Remove(one.Assignment.Key))
	require.NoError(t, s.Remove(one.Assignment.Key), "twice is no error")
	require.NoDirExists(t, s.Dir(one.Assignment.Key))
	entries, err := os.ReadDir(s.Dir(two.Assignment.Key))
	require.NoError(t, err)
	require.Len(t, entries, 1, "no temporary file is left")
}

func TestBrokenRecordsStandApart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, err := checkpoint.Open(dir)
	require.NoError(t, err)
	require.NoError(t, s.Save(record(1)))
	for name, text := range map[string]string{
		"newer": `{"version":99}`, "cut": `{"version":1,"assi`, "moved": `{"version":1}`,
	} {
		require.NoError(t, os.Mkdir(filepath.Join(dir, name), 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(dir, name, "pod.json"), []byte(text), 0o600))
	}
	require.NoError(t, os.Mkdir(filepath.Join(dir, "empty"), 0o700))
	got, broken, err := s.Load()
	require.NoError(t, err)
	require.Len(t, got, 1)
	require.Len(t, broken, 4)
}

func TestAFullDiskIsAnErrorAndKeepsTheOldRecord(t *testing.T) {
	t.Parallel()
	s, err := checkpoint.Open(t.TempDir())
	require.NoError(t, err)
	r := record(1)
	require.NoError(t, s.Save(r))
	// A directory in the way of the rename fails as a full disk does: before the old record is gone.
	require.NoError(t, os.Remove(filepath.Join(s.Dir(r.Assignment.Key), "pod.json")))
	require.NoError(t, os.Mkdir(filepath.Join(s.Dir(r.Assignment.Key), "pod.json"), 0o700))
	require.ErrorContains(t, s.Save(r), "write the record of pod 1_7#2")
	entries, err := os.ReadDir(s.Dir(r.Assignment.Key))
	require.NoError(t, err)
	require.Len(t, entries, 1, "the temporary file is removed")
}

func BenchmarkSave(b *testing.B) {
	s, err := checkpoint.Open(b.TempDir())
	require.NoError(b, err)
	for b.Loop() {
		require.NoError(b, s.Save(record(1)))
	}
}
