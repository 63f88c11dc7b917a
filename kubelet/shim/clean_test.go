package shim_test

import (
	"os"
	"os/signal"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// TestNoDescriptorOfTheKubeletsReachesThePod: whoever started the kubelet left it an open file.
func TestNoDescriptorOfTheKubeletsReachesThePod(t *testing.T) {
	secret, err := os.Open("/etc/shadow")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, secret.Close()) })
	_, err = unix.FcntlInt(secret.Fd(), unix.F_SETFD, 0)
	require.NoError(t, err)
	n := newNode(t)
	got, _ := output(t, n, n.spec(t, "exec ls /proc/self/fd"))
	require.Equal(t, "0\n1\n2\n3\n", got, "3 is the directory that ls reads")
}

// TestAPodIgnoresNoSignal: the kubelet runs under nohup, in the background of a script.
func TestAPodIgnoresNoSignal(t *testing.T) {
	polite := []os.Signal{unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGTSTP, unix.SIGTTIN, unix.SIGTTOU}
	signal.Ignore(polite...)
	t.Cleanup(func() { signal.Reset(polite...) })
	for _, sig := range []unix.Signal{32, 33, 64} { // of these Go's runtime leaves some alone
		ignoreRaw(t, sig)
	}
	n := newNode(t)
	got, _ := output(t, n, n.spec(t, "exec grep -E '^Sig(Ign|Blk)' /proc/self/status"))
	require.Equal(t, "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n", got)
}

// ignoreRaw ignores a signal behind the back of Go's runtime, as an inherited one is.
func ignoreRaw(t *testing.T, sig unix.Signal) {
	t.Helper()
	set := func(action, old *[4]uint64) {
		_, _, errno := unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(sig), uintptr(unsafe.Pointer(action)),
			uintptr(unsafe.Pointer(old)), 8, 0, 0)
		require.Zero(t, errno)
	}
	var old [4]uint64
	set(&[4]uint64{1}, &old)
	t.Cleanup(func() { set(&old, nil) })
}

// TestAShimWithoutADirectoryEnds: the state directory was removed under a running pod.
func TestAShimWithoutADirectoryEnds(t *testing.T) {
	n := newNode(t)
	spec := n.spec(t, "exec sleep 600")
	spec.TimeLimitMS = 300
	p := n.start(t, spec, fullLimits)
	require.NoError(t, os.RemoveAll(p.dir))
	require.Equal(t, int(unix.SIGKILL), p.wait(t).Signal)
	require.Eventually(t, func() bool {
		return unix.Kill(p.client.State().Shim.PID, 0) == unix.ESRCH
	}, waitMax, poll, "it tries for an hour to write its record")
	require.NoError(t, n.driver.Remove(t.Context(), p.name))
}
