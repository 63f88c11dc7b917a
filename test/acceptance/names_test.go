package acceptance

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A user of LDAP or the like has no line in /etc/passwd.
func TestUserOfTheNameServiceOnly(t *testing.T) {
	c := sharedCluster(t)
	passwd, err := os.ReadFile("/etc/passwd")
	require.NoError(t, err)
	require.NotContains(t, string(passwd), alice.name)

	me := alice.at(t, c, alice.home())
	me.write("who.sh", `#!/bin/sh
#SBATCH --mem=30M -t 5 -o who.out --export=NONE
id -u; id -g; id -G; id -un; echo "$USER $HOME"
`)
	me.cox("submit", "--wait", "--parsable", "who.sh")
	lines := strings.Split(me.do("cat", "who.out"), "\n")
	want := []string{"61001", "61001", "61001 61100", alice.name, alice.name + " " + alice.home()}
	require.Equal(t, want, lines[:len(want)])
}

// A uid without any entry is told so; it can't run anything.
func TestUserWithoutAnEntry(t *testing.T) {
	c := sharedCluster(t)
	me := nobodyKnown.at(t, c, nobodyKnown.home())
	r := me.try(binary(), "submit", "--mem=30M", "-t", "5", "--wrap", "true")
	require.Equal(t, 4, r.code, r.err)
	require.Contains(t, r.err, "61099")
	require.Contains(t, r.err, "no user name")
}
