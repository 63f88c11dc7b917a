package header

import "testing"

func TestFromSlurmPage(t *testing.T) {
	t.Parallel()
	golden(t, "../../docs/from-slurm.md", FromSlurm())
}
