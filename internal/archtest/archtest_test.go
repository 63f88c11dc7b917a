package archtest

import (
	"flag"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

const root = "../.."

var update = flag.Bool("update", false, "write the hash of the generated database code")

func TestRepository(t *testing.T) {
	t.Parallel()
	tree, err := Load(os.DirFS(root))
	require.NoError(t, err)
	require.Greater(t, len(tree.files), 20, "the repository was not found")
	if *update {
		writeHash(t, tree)
		return
	}
	for _, rule := range Rules() {
		t.Run(rule.Name, func(t *testing.T) {
			t.Parallel()
			for _, f := range rule.check(tree) {
				t.Error(rule.Message(f))
			}
		})
	}
}

func writeHash(t *testing.T, tree *Tree) {
	t.Helper()
	hash := tree.GeneratedHash()
	require.NotEmpty(t, hash, "there are no queries in %s", queryDir)
	require.NoError(t, os.WriteFile(root+"/"+HashFile, []byte(hash), 0o644))
}
