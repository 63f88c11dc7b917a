package cli

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coxswain-hpc/coxswain/api"
)

// specOf reads the spec of a file with one document.
func specOf[S any](text string) (spec S, err error) {
	documents, err := readDocuments(strings.NewReader(text))
	if err != nil {
		return spec, err
	}
	return spec, decodeSpec(documents[0], &spec)
}

// containerOf is a job with one container, written in one line.
func containerOf(fields string) string {
	return "kind: job\nname: j\nspec:\n  roles:\n  - template:\n      containers:\n" +
		"      - {main: true, " + fields + "}\n"
}

func TestAmountsInYAML(t *testing.T) {
	t.Parallel()
	const gib = int64(1 << 30)
	for text, want := range map[string]api.Resources{
		"requests: {cpu_millis: 500m, memory_bytes: 16Gi}":       {CPUMillis: 500, MemoryBytes: 16 * gib},
		"requests: {cpu_millis: 1500, memory_bytes: 1024}":       {CPUMillis: 1500, MemoryBytes: 1024},
		"requests: {cpus: 2, memory: 16G}":                       {CPUMillis: 2000, MemoryBytes: 16e9},
		"requests: {cpus: 0.5, memory: 1.5Gi}":                   {CPUMillis: 500, MemoryBytes: 3 * gib / 2},
		"requests: {cpus: 500m, memory: 1e9}":                    {CPUMillis: 500, MemoryBytes: 1e9},
		"requests: {cpus: \"4\", memory: 4096}":                  {CPUMillis: 4000, MemoryBytes: 4096},
		"limits: {memory: 1Ki}, requests: {memory_bytes: \"7\"}": {MemoryBytes: 7},
	} {
		spec, err := specOf[api.JobSpec](containerOf(text))
		require.NoError(t, err, text)
		require.Equal(t, want, spec.Roles[0].Template.Containers[0].Requests, text)
	}
	partition, err := specOf[api.PartitionSpec](
		"kind: partition\nname: p\nspec:\n  default_memory_per_cpu_bytes: 2Gi\n  node_names: [a]\n")
	require.NoError(t, err)
	require.Equal(t, api.PartitionSpec{DefaultMemoryPerCPUBytes: 2 * gib, NodeNames: []string{"a"}}, partition)
}

func TestWhatIsWrongIsNamedByLineAndField(t *testing.T) {
	t.Parallel()
	job := "kind: job\nname: j\nspec:\n"
	for name, c := range map[string]struct {
		text string
		says []string
	}{
		"amount": {
			containerOf("requests: {memory: 16X}"),
			[]string{"line 7", "[0].requests.memory_bytes", "16Gi"},
		},
		"cpus": {
			containerOf("limits: {cpu_millis: many}"),
			[]string{"line 7", "limits.cpu_millis", "500m"},
		},
		"part of milli": {
			containerOf("limits: {cpu_millis: 0.5}"),
			[]string{"line 7", "cpu_millis", "whole number"},
		},
		"part of a second": {job + "  time_limit_seconds: 1.5\n", []string{"line 4, spec.time_limit_seconds"}},
		"unknown field":    {job + "  arrray: 1-3\n", []string{"[4:", "arrray"}},
		"unknown deep":     {containerOf("requests: {cores: 3}"), []string{"[7:", "cores"}},
		"wrong type":       {job + "  time_limit_seconds: ten\n", []string{"[4:", "time_limit_seconds"}},
		"no list":          {job + "  roles: 3\n", []string{"[4:", "roles"}},
		"unknown part":     {"kind: job\nname: j\nspecs:\n", []string{"[3:", "specs"}},
		"no name":          {"kind: job\n", []string{"line 1", "name"}},
		"no YAML":          {"kind: job\n  name: [\n", []string{"[1:"}},
		"kind":             {"# one\nname: j\nkind: pod\n", []string{"line 3", "pod"}},
		"other name":       {job + "  name: k\n", []string{"line 4", "spec.name"}},
		"generation":       {"kind: job\nname: j\ngeneration: 3\n", []string{"line 3"}},
		"payload":          {"kind: qos\nname: q\npayload: {script: x}\n", []string{"line 3", "payload"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			documents, err := readDocuments(strings.NewReader(c.text))
			if err == nil {
				_, err = (&app{}).change(documents[0])
			}
			for _, part := range c.says {
				require.ErrorContains(t, err, part)
			}
			require.Equal(t, exitUsage, exitCodeOf(err), "%v", err)
		})
	}
}

func TestTheServersFieldsGetTheirLines(t *testing.T) {
	t.Parallel()
	documents, err := readDocuments(strings.NewReader("---\nkind: qos\nname: q\n---\n" +
		containerOf("requests: {cpus: 2}, working_dir: here")))
	require.NoError(t, err)
	fields := []api.FieldError{
		{Field: "spec.roles[0].template.containers[0].working_dir", Message: "must be absolute"},
		{Field: "spec.account", Message: "is unknown"},
	}
	err = documents[1].locate(&api.Error{Code: api.CodeInvalid, Message: "can't be accepted", Fields: fields})
	require.EqualError(t, err, "job j: can't be accepted; "+
		"line 11, spec.roles[0].template.containers[0].working_dir: must be absolute; spec.account: is unknown")
}
