package header

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFromSlurmPage(t *testing.T) {
	golden(t, "../../docs/from-slurm.md", FromSlurm())
}

func TestHelpNamesHonouredOptions(t *testing.T) {
	for _, o := range Table() {
		if o.Honoured() {
			require.Contains(t, Help(), o.Flag())
		} else {
			require.NotContains(t, Help(), "  "+o.Flag()+"=")
		}
	}
}
