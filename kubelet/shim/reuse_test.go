package shim_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/coxswain-hpc/coxswain/kubelet/shim/shimapi"
)

// TestAShimServesOnePodAfterTheOther runs pods of two users one after the other: shims are used
// again, and nothing of a pod is seen in the next one.
func TestAShimServesOnePodAfterTheOther(t *testing.T) {
	n := newNode(t)
	const pods = 12
	served := map[int]int{}
	for i := range pods {
		uid, files := uint32(nobody-i%2), uint64(100+i)
		spec := n.spec(t, `id -u; ulimit -n; umask; grep -E '^Sig(Blk|Ign):' /proc/self/status; pwd; `+
			`cat /proc/self/cgroup`)
		spec.User = &shimapi.User{UID: uid, GID: nobody}
		spec.Umask = 0o22 + i%2
		spec.Stdout.Path = "out"
		spec.Rlimits = []shimapi.Rlimit{{Resource: unix.RLIMIT_NOFILE, Soft: files}}
		require.NoError(t, os.Chown(spec.Dir, int(uid), nobody))
		_ = os.Remove(filepath.Join(spec.Dir, "out"))
		p := n.start(t, spec, fullLimits)
		served[p.client.State().Shim.PID]++
		record := p.wait(t)
		require.Equal(t, shimapi.ReasonExited, record.Reason, "%+v", record)
		text, err := os.ReadFile(filepath.Join(spec.Dir, "out"))
		require.NoError(t, err)
		want := fmt.Sprintf("%d\n%d\n%04o\nSigBlk:\t%016x\nSigIgn:\t%016x\n%s\n", uid, files, spec.Umask, 0, 0,
			spec.Dir)
		require.True(t, strings.HasPrefix(string(text), want), "want:\n%s\ngot:\n%s", want, text)
		for group := range strings.Lines(string(text[len(want):])) {
			if strings.Contains(group, "/pod-") {
				require.Contains(t, group, "/pod-"+p.name.ID+"-0/main\n", "a group of another pod")
			}
		}
		n.remove(t, p)
	}
	require.Less(t, len(served), pods, "no shim was used twice")
}

// TestAShimServesAttachedPodsToo: their streams leave nothing behind either.
func TestAShimServesAttachedPodsToo(t *testing.T) {
	n := newNode(t)
	const pods = 12
	served := map[int]int{}
	for i := range pods {
		p, stream := startAttached(t, n, fmt.Sprintf("cat; echo %d; exit %d", i, i), true)
		require.NoError(t, stream.CloseInput())
		out, record := drain(t, stream)
		require.NoError(t, stream.Close())
		require.Equal(t, fmt.Sprintf("%d\n", i), out[shimapi.ChannelStdout])
		require.Equal(t, i, record.ExitCode)
		served[p.client.State().Shim.PID]++
		p.wait(t)
		n.remove(t, p)
	}
	require.Less(t, len(served), pods, "no shim was used twice")
	const fresh = 12 // standard files, the kubelet, the poller and the like; 4 pods would add 12
	for pid, times := range served {
		require.Eventually(t, func() bool {
			open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
			return err != nil || len(open) <= fresh
		}, time.Minute, 10*time.Millisecond, "shim %d keeps files open of %d pods", pid, times)
	}
}
