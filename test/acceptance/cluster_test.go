package acceptance

import (
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coxswain-hpc/coxswain/test/cluster"
)

// The cluster of root that most tests share.
var shared struct {
	once sync.Once
	c    *cluster.Cluster
	err  error
}

func sharedCluster(t *testing.T) *cluster.Cluster {
	t.Helper()
	shared.once.Do(func() {
		dir := filepath.Join(base, "cluster")
		if shared.err = os.Mkdir(dir, 0o755); shared.err != nil {
			return
		}
		// not the test's own context: the cluster outlives the test that starts it
		shared.c, shared.err = cluster.Start(t.Context(), cluster.Options{
			Cox: binary(), Dir: dir, Args: []string{"--listen", "127.0.0.1:0"},
		})
	})
	require.NoError(t, shared.err)
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(shared.c.Log())
		}
	})
	return shared.c
}

func stopShared() {
	if shared.c != nil {
		shared.c.Stop()
	}
}

// ownCluster starts a cluster for one test.
func ownCluster(t *testing.T, o cluster.Options) *cluster.Cluster {
	t.Helper()
	if o.Cox == "" {
		o.Cox = binary()
	}
	if o.Dir == "" {
		o.Dir = filepath.Join(base, t.Name())
	}
	o.Args = append([]string{"--listen", "127.0.0.1:0"}, o.Args...)
	require.NoError(t, os.MkdirAll(o.Dir, 0o755))
	if o.User != nil {
		require.NoError(t, os.Chown(o.Dir, int(o.User.Uid), int(o.User.Gid)))
	}
	c, err := cluster.Start(t.Context(), o)
	require.NoError(t, err)
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(c.Log())
		}
		c.Stop()
	})
	return c
}
