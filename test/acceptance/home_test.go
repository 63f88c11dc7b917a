package acceptance

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// squashed mounts a file system in a person's home that refuses everybody else, root included: what
// NFS with root_squash is to a node.
func squashed(t *testing.T, p person) string {
	t.Helper()
	_, err := exec.LookPath("bindfs")
	require.NoError(t, err, "install the package bindfs")
	me := p.at(t, nil, p.home())
	source, mount := filepath.Join(p.home(), "disk"), filepath.Join(p.home(), "squashed")
	me.do("mkdir", source, mount)
	me.do("bindfs", "--no-allow-other", source, mount)
	t.Cleanup(func() { require.NoError(t, syscall.Unmount(mount, syscall.MNT_DETACH)) })
	_, err = os.ReadDir(mount)
	require.ErrorIs(t, err, syscall.EACCES, "root must be refused, or this tests nothing")
	return mount
}

// Everything on a user's path is opened after the change to his ids.
func TestHomeThatRefusesRoot(t *testing.T) {
	c := sharedCluster(t)
	dir := squashed(t, alice)
	me := alice.at(t, c, dir)
	me.write("input", "from the input file\n")
	me.write("job.sh", `#!/bin/bash
#SBATCH --mem=30M --time=5 --input=input --output=result.%j --error=errors.%j
pwd
cat
echo "to stderr" >&2
echo made > made
`)
	id := strings.TrimSpace(me.cox("submit", "--parsable", "--wait", "job.sh"))
	require.Equal(t, dir+"\nfrom the input file\n", me.do("cat", "result."+id))
	require.Equal(t, "to stderr\n", me.do("cat", "errors."+id))
	require.Equal(t, "made\n", me.do("cat", "made"))
	require.Equal(t, dir+"\nfrom the input file\n", me.cox("logs", id), "cox logs reads with the user's rights")

	r := me.try(binary(), "run", "--mem=30M", "--time=5", "--", "cat", "made")
	require.Equal(t, result{out: "made\n", err: r.err}, r, "an attached run works there too")
}

// Somebody else's directory refuses him: a reason, and no trace in that directory.
func TestOutputAndDirectoryOfSomebodyElse(t *testing.T) {
	c := sharedCluster(t)
	locked := filepath.Join(alice.home(), "locked")
	alice.at(t, c, alice.home()).do("mkdir", "-m", "700", locked)
	me := bob.at(t, c, bob.home())
	for _, tt := range []struct {
		name string
		args []string
		want []string
	}{
		{"directory", []string{"-D", locked}, []string{locked, "permission denied"}},
		{"output", []string{"-o", locked + "/out"}, []string{locked + "/out", "permission denied"}},
		{"input", []string{"-i", locked + "/in"}, []string{locked + "/in", "permission denied"}},
	} {
		args := []string{"submit", "--parsable", "--wait", "--mem=30M", "-t", "5", "-J", tt.name, "--wrap", "true"}
		r := me.try(binary(), append(args, tt.args...)...)
		require.NotZero(t, r.code, tt.name)
		id := strings.TrimSpace(r.out)
		why := me.cox("why", id)
		for _, word := range tt.want {
			require.Contains(t, strings.ToLower(why), strings.ToLower(word), tt.name)
		}
	}
	entries, err := os.ReadDir(locked)
	require.NoError(t, err)
	require.Empty(t, entries)
}

// A full disk under the output reaches the program; nothing hangs.
func TestFullDiskUnderTheOutput(t *testing.T) {
	c := sharedCluster(t)
	dir := filepath.Join(alice.home(), "tiny")
	alice.at(t, c, alice.home()).do("mkdir", dir)
	require.NoError(t, syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=256k,mode=777"))
	t.Cleanup(func() { require.NoError(t, syscall.Unmount(dir, syscall.MNT_DETACH)) })
	me := alice.at(t, c, dir)
	r := me.try(binary(), "submit", "--parsable", "--wait", "--mem=30M", "-t", "5", "-o", "out",
		"-e", alice.home()+"/err", "--wrap", "head -c 1000000 /dev/zero || exit 28")
	require.Equal(t, 28, r.code, r.err)
	require.Contains(t, me.do("cat", alice.home()+"/err"), "No space left")

	me.do("/bin/sh", "-c", "rm -f out; head -c 1000000 /dev/zero > filler || true")
	r = me.try(binary(), "submit", "--parsable", "--wait", "--mem=30M", "-t", "5", "-o", "deep",
		"--wrap", "echo hello")
	require.NotZero(t, r.code, "%s", r.err)
}
