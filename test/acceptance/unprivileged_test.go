package acceptance

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/test/cluster"
)

// A user without root gets a cluster of his own; what it can't enforce it says.
func TestUpWithoutRoot(t *testing.T) {
	t.Parallel()
	c := ownCluster(t, cluster.Options{
		User: alice.credential(), Env: []string{"HOME=" + alice.home(), "USER=" + alice.name},
	})
	me := alice.at(t, c, alice.home())

	out := me.cox("run", "--mem=30M", "-t", "5", "--", "id", "-u")
	require.Equal(t, "61001\n", out)
	me.cox("submit", "--wait", "--parsable", "--mem=30M", "-t", "5", "-o", "own.out", "--wrap", "id -G")
	require.Equal(t, "61001 61100\n", me.do("cat", "own.out"))

	var nodes []api.Node
	require.NoError(t, json.Unmarshal([]byte(me.cox("nodes", "-o", "json")), &nodes))
	require.Len(t, nodes, 1)
	said := upSaid(t, c)
	require.Contains(t, said, "Warnings:\n")
	missing := map[string]bool{}
	for _, condition := range nodes[0].Status.Conditions {
		missing[condition.Type] = true
		require.NotEmpty(t, condition.Message)
		require.Contains(t, said, "\n  "+condition.Type+": "+condition.Message+"\n", "cox up says it")
	}
	for _, limit := range []string{
		"single_user", "memory_limit_not_enforced", "cpu_limit_not_enforced", "own_cpus_not_enforced",
		"process_limit_not_enforced",
	} {
		require.True(t, missing[limit], "%s is missing among %v", limit, missing)
	}

	// Time limits need no rights.
	r := me.try(binary(), "submit", "--wait", "--mem=30M", "-t", "0:1", "-o", "/dev/null", "--wrap", "sleep 60")
	require.Equal(t, 124, r.code, r.err)
	// Nobody else is let in.
	r = bob.at(t, c, bob.home()).try(binary(), "queue")
	require.Equal(t, 4, r.code, r.err)
	require.Contains(t, r.err, "may not connect")
}

// upSaid is the log with all that cox up says when the cluster is ready.
func upSaid(t *testing.T, c *cluster.Cluster) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	require.NoError(t, cluster.Until(ctx, func() (bool, error) {
		return strings.Contains(c.Log(), "Stop it with"), nil
	}))
	return c.Log()
}
