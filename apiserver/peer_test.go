package apiserver_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/api/client"
	"github.com/coxswain-hpc/coxswain/apiserver"
)

// asPeers lets the user of the test itself come over the socket, whoever runs it.
func asPeers(o *apiserver.Options) {
	all := names{int64(os.Getuid()): "me"}
	for uid, name := range people {
		if _, taken := all[uid]; !taken {
			all[uid] = name
		}
	}
	o.Names = all
}

// childSocket names the socket for the child process of TestPeerIsWhoTheKernelSays.
const childSocket = "COX_TEST_SOCKET"

func TestMain(m *testing.M) {
	if socket := os.Getenv(childSocket); socket != "" {
		os.Exit(askWhoami(socket))
	}
	os.Exit(m.Run())
}

func askWhoami(socket string) int {
	c, err := client.New(client.Options{Server: "unix://" + socket, RetryFor: -1})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	who, err := c.Whoami(context.Background())
	if err != nil {
		fmt.Println(api.CodeOf(err), err)
		return 1
	}
	fmt.Printf("%s %d %t\n", who.User, who.UID, who.Admin)
	return 0
}

func TestPeerIsWhoTheKernelSays(t *testing.T) {
	t.Parallel()
	require.Zero(t, os.Getuid(), "only root can start a process as another user: run the tests as root")
	b := setup(t)
	// The socket lies in a directory that only root may enter; the listener itself is open to all.
	require.NoError(t, os.Chmod(b.socket, 0o666))
	for dir := b.socket; dir != "/tmp" && dir != "/"; dir = parent(dir) {
		require.NoError(t, os.Chmod(dir, 0o777))
	}
	for uid, want := range map[uint32]string{
		0: "root 0 true\n", uint32(adminUID): "cox 900 true\n", uint32(adaUID): "ada 2001 false\n",
		4711: "unauthenticated uid 4711 has no user name on this machine, " +
			"so no job could run as it; ask the admin to make the user\n",
	} {
		require.Equal(t, want, whoamiAs(t, b.socket, uid))
	}
	u, err := b.store.GetUser(t.Context(), "ada")
	require.NoError(t, err, "first contact makes the user")
	require.Equal(t, api.UserSpec{UID: adaUID, Accounts: []string{"default"}, DefaultAccount: "default"},
		u.Spec)
}

func whoamiAs(t *testing.T, socket string, uid uint32) string {
	t.Helper()
	program, err := os.Open("/proc/self/exe")
	require.NoError(t, err)
	t.Cleanup(func() { _ = program.Close() })
	cmd := exec.Command("/proc/self/fd/3")
	cmd.ExtraFiles = []*os.File{program}
	cmd.Env = []string{childSocket + "=" + socket}
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
	out, _ := cmd.CombinedOutput() // the exit status is told by the output
	return string(out)
}

func parent(path string) string {
	for i := len(path) - 1; i > 0; i-- {
		if path[i] == '/' {
			return path[:i]
		}
	}
	return "/"
}

func TestIdentityMismatch(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.as(adminUID, "PUT", "/v1/users/ada",
		api.UserSpec{UID: 77, Accounts: []string{"default"}, DefaultAccount: "default"}).into(200, nil)
	b.as(adaUID, "GET", "/v1/whoami", nil).problem(api.CodeIdentityMismatch)
}
