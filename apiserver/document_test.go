package apiserver_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coxswain-hpc/coxswain/apiserver"
)

var rewrite = flag.Bool("rewrite", false, "write the generated documents instead of comparing them")

// golden compares a generated file with the committed one.
func golden(t *testing.T, path string, got []byte) {
	t.Helper()
	if *rewrite {
		require.NoError(t, os.WriteFile(path, got, 0o644))
		return
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), string(got), "run: go test ./apiserver -run %s -rewrite", t.Name())
}

func TestOpenAPIIsCommitted(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	require.NoError(t, apiserver.WriteOpenAPI(&b))
	golden(t, "../api/openapi.json", b.Bytes())
}

func TestErrorsAreDocumented(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString("# Error codes\n\nEvery error of the API is a problem document (RFC 9457, " +
		"`application/problem+json`) with these\n" +
		"members: `code` (below, stable), `status`, `detail` (a sentence: what happened and what to do) and\n" +
		"`fields` (each wrong field with its path). This table is generated from the code.\n\n" +
		"| code | HTTP status |\n|---|---|\n")
	for _, row := range apiserver.StatusTable() {
		fmt.Fprintf(&b, "| `%s` | %d %s |\n", row.Code, row.Status, row.Title)
	}
	golden(t, "../docs/errors.md", []byte(b.String()))
}
