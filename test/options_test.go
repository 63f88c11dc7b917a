package test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestEveryOptionIsTried: each option of sbatch that docs/from-slurm.md calls honoured is used by a
// script of this folder or of test/acceptance, which sees what it does.
func TestEveryOptionIsTried(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join("..", "docs", "from-slurm.md"))
	require.NoError(t, err)
	_, table, _ := strings.Cut(string(page), "\n## Honoured\n")
	table, _, _ = strings.Cut(table, "\n## ")
	rows := regexp.MustCompile("(?m)^\\| (?:`-([A-Za-z])`, )?`--([a-z-]+)").FindAllStringSubmatch(table, -1)
	require.Greater(t, len(rows), 40)

	var tried strings.Builder
	for _, pattern := range []string{"testdata/*/*.txtar", "acceptance/*_test.go"} {
		files, err := filepath.Glob(pattern)
		require.NoError(t, err)
		for _, name := range files {
			text, err := os.ReadFile(name)
			require.NoError(t, err)
			tried.Write(text)
		}
	}
	for _, row := range rows {
		short, long := row[1], row[2]
		used := `--` + long + `\b`
		if short != "" {
			used += `|cox submit .*-` + short + `\b|"-` + short + `"|#SBATCH -` + short + `\b`
		}
		require.Regexp(t, used, tried.String(), "no test uses --%s", long)
	}
}
