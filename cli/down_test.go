package cli

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheLastWordOfDown(t *testing.T) {
	t.Parallel()
	for want, left := range map[string]remains{
		"Cluster cox is down. Its data stays in /d; start it again with `cox up`.": {cluster: "cox"},
		"Cluster cox is down. 1 job runs on. Its data stays in /d; start it again with `cox up`.": {
			cluster: "cox", jobs: 1,
		},
		"Cluster cox is down. 3 jobs run on. Its data stays in /d; start it again with `cox up`.": {
			cluster: "cox", jobs: 3,
		},
		"The cluster is down. Its data stays in /d; start it again with `cox up`.": {},
	} {
		require.Equal(t, want, left.text("/d", "cox up"))
	}
}
