package header

import "testing"

func TestFromSlurmPage(t *testing.T) {
	golden(t, "../../docs/from-slurm.md", FromSlurm())
}
