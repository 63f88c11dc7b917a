package cgroup

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLimitsV2(t *testing.T) {
	t.Parallel()
	limits := Limits{CPUMillis: 2500, CPUWeight: 1, CPUSet: "0-3", MemoryBytes: 1 << 30, PidsMax: 9}
	for _, c := range []struct {
		name        string
		controllers []string
		limits      Limits
		swap        bool
		want        map[string]string
	}{
		{"all", v2Wanted(), limits, true, map[string]string{
			"cpu.max": "250000 100000", "cpu.weight": "1", "cpuset.cpus": "0-3",
			"memory.max": "1073741824", "memory.swap.max": "0", "pids.max": "9",
		}},
		{
			"a kernel without swap accounting",
			[]string{"memory"},
			limits, false,
			map[string]string{"memory.max": "1073741824"},
		},
		{"a hybrid node's tracker", nil, limits, false, map[string]string{}},
		{"no limits", v2Wanted(), Limits{}, true, map[string]string{"memory.swap.max": ""}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d := &files{unifiedMount: t.TempDir(), v2Controllers: c.controllers}
			dir := filepath.Join(d.unifiedMount, "cox/n1/a/pod-x-0")
			require.NoError(t, os.MkdirAll(dir, 0o755))
			if c.swap {
				require.NoError(t, os.WriteFile(filepath.Join(dir, "memory.swap.max"), nil, 0o600))
			}
			require.NoError(t, d.limitV2(dir, c.limits))
			got := map[string]string{}
			entries, err := os.ReadDir(dir)
			require.NoError(t, err)
			for _, e := range entries {
				data, err := os.ReadFile(filepath.Join(dir, e.Name()))
				require.NoError(t, err)
				got[e.Name()] = string(data)
			}
			require.Equal(t, c.want, got)
		})
	}
}

// tree lays out files as a cgroup2 mount has them.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	mount := t.TempDir()
	for name, content := range files {
		path := filepath.Join(mount, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	}
	return mount
}

func TestDetectV2EnablesControllers(t *testing.T) {
	t.Parallel()
	mount := tree(t, map[string]string{
		"cgroup.controllers":            "cpuset cpu io memory pids\n",
		"cgroup.subtree_control":        "cpu pids\n",
		"cox/cgroup.subtree_control":    "",
		"cox/n1/cgroup.subtree_control": "",
		"self":                          "0::/user.slice\n",
	})
	d, err := Detect(Config{Mount: mount, Node: "n1", SelfCgroup: filepath.Join(mount, "self")})
	require.NoError(t, err)
	require.Equal(t, ModeV2, d.Info().Mode)
	require.Equal(t, []string{"cpu", "cpuset", "memory", "pids"}, d.Info().Controllers)
	require.Empty(t, d.Info().Conditions)
	paths := d.Paths(Pod{Class: "a", ID: "x"})
	require.Equal(t, filepath.Join(mount, "cox/n1/a/pod-x-0"), paths.MemoryV2)
	require.Empty(t, paths.Tasks)
	for _, dir := range []string{"", "cox", "cox/n1"} {
		data, err := os.ReadFile(filepath.Join(mount, dir, "cgroup.subtree_control"))
		require.NoError(t, err)
		require.Contains(t, string(data), "+", "level %q", dir)
	}
}

func TestDetectV2NamesWhatIsMissing(t *testing.T) {
	t.Parallel()
	mount := tree(t, map[string]string{
		"cgroup.controllers":            "cpu pids\n",
		"cgroup.subtree_control":        "cpu pids\n",
		"cox/cgroup.subtree_control":    "cpu pids\n",
		"cox/n1/cgroup.subtree_control": "cpu pids\n",
		"self":                          "0::/\n",
	})
	d, err := Detect(Config{Mount: mount, Node: "n1", SelfCgroup: filepath.Join(mount, "self")})
	require.NoError(t, err)
	var limits []Limit
	for _, c := range d.Info().Conditions {
		limits = append(limits, c.Limit)
		require.Contains(t, c.Reason, "not available")
	}
	require.Equal(t, []Limit{LimitCPUSet, LimitMemory, LimitUsage}, limits)
}

func TestParsePod(t *testing.T) {
	t.Parallel()
	for _, pod := range []Pod{
		{Class: "a", ID: "42", Attempt: 0},
		{Class: "a", ID: "42_7-3", Attempt: 12},
		{Class: "a", ID: "a-b-c", Attempt: 1},
	} {
		got, ok := parsePod("a", pod.dirName())
		require.True(t, ok)
		require.Equal(t, pod, got)
	}
	for _, name := range []string{"pod-", "pod-1", "pod--1", "pod-x-y", "job-1-1"} {
		_, ok := parsePod("a", name)
		require.False(t, ok, name)
	}
}
