package header

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coxswain-hpc/coxswain/api"
)

const plainScript = "#!/bin/bash\ntrue\n"

// parse reads a script with the given header lines, and arguments in front of its name.
func parse(header string, args ...string) (Options, error) {
	in := Input{Script: []byte("#!/bin/bash\n" + header + "\ntrue\n"), Args: append(args, "job.sh")}
	o, _, err := Parse(in)
	return o, err
}

func mustBuild(t *testing.T, header string, args ...string) (api.JobSubmit, []string) {
	t.Helper()
	o, err := parse(header, args...)
	require.NoError(t, err)
	submit, notes, err := o.Build(testContext())
	require.NoError(t, err)
	return submit, notes
}

func mainOf(s api.JobSubmit) api.Container { return s.Spec.Roles[0].Template.Main() }
