package acceptance

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/test/cluster"
)

// Each mistake is refused at once, by name and with what to do; none leaves a job behind.
func TestBadInput(t *testing.T) {
	c := sharedCluster(t)
	me := bob.at(t, c, bob.home())
	me.write("plain", "echo no interpreter\n")
	me.write("unknown", "#!/bin/sh\n#SBATCH --tiem=5\n")
	me.write("empty", "")
	for _, tt := range []struct {
		name string
		args []string
		code int
		want []string
	}{
		{"unknown account", []string{"-A", "nobodys", "--wrap", "true"}, 2, []string{"nobodys"}},
		{"unknown partition", []string{"-p", "nowhere", "--wrap", "true"}, 2, []string{"nowhere"}},
		{"unknown QOS", []string{"-q", "royal", "--wrap", "true"}, 2, []string{"royal"}},
		{"no #!", []string{"plain"}, 2, []string{"#!"}},
		{"empty script", []string{"empty"}, 2, []string{"#!"}},
		{"unknown option in the header", []string{"unknown"}, 2, []string{"line 2", "tiem", "--time"}},
		{"no such script", []string{"absent"}, 2, []string{"absent"}},
		{"too many CPUs", []string{"-c", "5000", "--wrap", "true"}, 6, []string{"5000", "CPU"}},
		{"too much memory", []string{"--mem=900T", "--wrap", "true"}, 6, []string{"900", "GiB"}},
		{"nonsense memory", []string{"--mem=plenty", "--wrap", "true"}, 2, []string{"plenty"}},
		{"nonsense time", []string{"-t", "soon", "--wrap", "true"}, 2, []string{"soon"}},
		{"unknown dependency", []string{"-d", "afterok:999999", "--wrap", "true"}, 2, []string{"999999"}},
	} {
		r := me.try(binary(), append([]string{"submit", "--parsable"}, tt.args...)...)
		require.Equal(t, tt.code, r.code, "%s: %s", tt.name, r.err)
		require.Empty(t, r.out, tt.name)
		for _, word := range tt.want {
			require.Contains(t, r.err, word, tt.name)
		}
	}
	require.Equal(t, "[]\n", me.cox("queue", "-o", "json"))

	id := strings.TrimSpace(me.cox("submit", "--parsable", "--allow-future-nodes", "-c", "5000", "--wrap", "true"))
	me.eventually("5000", "why", id)
	me.cox("cancel", id)
}

// A second kubelet with the name of the first must not take its place.
func TestSecondKubeletOfTheSameName(t *testing.T) {
	c := sharedCluster(t)
	cl, err := c.Client()
	require.NoError(t, err)
	defer cl.Close()
	nodes, err := cl.Nodes(t.Context())
	require.NoError(t, err)
	require.Len(t, nodes, 1)

	root := person{name: "root"}.at(t, c, base)
	token := strings.TrimSpace(lastField(root.cox("token", "create", "--join")))
	dir := filepath.Join(base, "second")
	require.NoError(t, os.Mkdir(dir, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "token"), []byte(token), 0o600))
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	second := root.command(ctx, binary(), "kubelet", "--server", "https://"+httpsOf(t, c),
		"--state-dir", filepath.Join(dir, "state"), "--join-file", filepath.Join(dir, "token"),
		"--node", nodes[0].Name, "--cgroup-root", "cox-second")
	defer cluster.RemoveGroups("cox-second")
	said, err := second.CombinedOutput()
	require.Error(t, err)
	require.NoError(t, ctx.Err(), "it ends and says why: %s", said)
	require.Contains(t, string(said), nodes[0].Name+" is in the cluster and ready")
	require.Contains(t, string(said), "--node")

	// The first one works on.
	me := alice.at(t, c, alice.home())
	require.Equal(t, "here\n", me.cox("run", "--mem=30M", "-t", "5", "--", "echo", "here"))
	after, err := cl.Node(t.Context(), nodes[0].Name)
	require.NoError(t, err)
	require.Equal(t, api.NodeReady, after.Status.State)
}

func lastField(s string) string {
	f := strings.Fields(s)
	return f[len(f)-1]
}

// httpsOf is the address that cox up names.
func httpsOf(t *testing.T, c *cluster.Cluster) string {
	t.Helper()
	for line := range strings.Lines(c.Log()) {
		if f := strings.Fields(line); len(f) == 2 && f[0] == "https" {
			return f[1]
		}
	}
	require.Fail(t, "cox up names no address", c.Log())
	return ""
}

// diskSize is what a new cluster needs and a little more.
const diskSize = "160m"

// tinyMax bounds the jobs that still find a place in pages that are half empty; refusedAfter is when a
// command that waits for room is broken off.
const (
	tinyMax      = 50
	refusedAfter = 10 * time.Second
)

// The disk under the data directory is full: an answer, and all goes on once there is room.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(base, "small")
	require.NoError(t, os.Mkdir(dir, 0o755))
	require.NoError(t, unix.Mount("tmpfs", dir, "tmpfs", 0, "mode=755,size="+diskSize))
	t.Cleanup(func() { require.NoError(t, unix.Unmount(dir, unix.MNT_DETACH)) })
	c := ownCluster(t, cluster.Options{Dir: dir})
	me := alice.at(t, c, alice.home())
	submit := []string{"submit", "--parsable", "--mem=30M", "-t", "5", "-o", "/dev/null", "--wrap"}
	running := strings.TrimSpace(me.cox(append(submit, "echo up > full.begun; sleep 5; exit 3")...))
	me.eventually("running", "queue", running)

	fill(t, filepath.Join(dir, "filler"))
	refused := 0
	accepted := []string{}
	for refused == 0 && len(accepted) < tinyMax {
		ctx, cancel := context.WithTimeout(t.Context(), refusedAfter)
		var out, said watched
		cmd := me.command(ctx, binary(), append(submit, "true")...)
		cmd.Stdout, cmd.Stderr = &out, &said
		if cmd.Run() != nil {
			refused++
			require.Contains(t, said.String(), "disk is full")
		} else {
			accepted = append(accepted, strings.TrimSpace(out.String()))
		}
		cancel()
	}
	require.Equal(t, 1, refused, "a full disk refuses within %d jobs", tinyMax)
	require.NoError(t, os.Remove(filepath.Join(dir, "filler")))

	r := me.try(binary(), "wait", running)
	require.Equal(t, 3, r.code, "the true exit code: %s", r.err)
	for _, id := range append(accepted, strings.TrimSpace(me.cox(append(submit, "true")...))) {
		me.cox("wait", id)
	}
	var nodes []api.Node
	require.NoError(t, json.Unmarshal([]byte(me.cox("nodes", "-o", "json")), &nodes))
	require.Equal(t, api.NodeReady, nodes[0].Status.State)
}

// fill writes until there is no room.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	require.NoError(t, err)
	defer f.Close() //nolint:errcheck // the disk is full on purpose
	for size := 1 << 20; size > 0; {
		if _, err := f.Write(make([]byte, size)); err != nil {
			size /= 2
		}
	}
}
