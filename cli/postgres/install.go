package postgres

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/coxswain-hpc/coxswain/api"
)

// versionMin is the oldest Postgres that cox works with.
const versionMin = 15

// installGlob is where Debian and its kin put each version's programs.
const installGlob = "/usr/lib/postgresql/*/bin"

// find returns the folder of Postgres' programs: of the given major version, or with 0 the newest.
func find(version int) (bin string, err error) {
	if bin := newest(version); bin != "" {
		return bin, nil
	}
	if path, err := exec.LookPath("initdb"); err == nil {
		if target, err := filepath.EvalSymlinks(path); err == nil {
			return filepath.Dir(target), nil
		}
	}
	if version != 0 {
		return "", api.Errorf(api.CodeUnavailable,
			"the database was made by PostgreSQL %d, which is not installed; on Debian: apt-get install postgresql-%d",
			version, version)
	}
	return "", api.Errorf(api.CodeUnavailable,
		"PostgreSQL %d or newer is not installed; on Debian: apt-get install postgresql", versionMin)
}

func newest(version int) string {
	dirs, _ := filepath.Glob(installGlob) // the pattern is constant and well formed
	best, bestDir := versionMin-1, ""
	for _, dir := range dirs {
		major, err := strconv.Atoi(filepath.Base(filepath.Dir(dir)))
		if err != nil || version != 0 && major != version {
			continue
		}
		if _, err := os.Stat(filepath.Join(dir, "initdb")); err == nil && major > best {
			best, bestDir = major, dir
		}
	}
	return bestDir
}

// dataVersion is the major version that made a data directory; 0 if none has yet.
func dataVersion(data string) int {
	text, err := os.ReadFile(filepath.Join(data, "PG_VERSION"))
	if err != nil {
		return 0
	}
	major, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return 0
	}
	return major
}

// userCandidates are whom root runs Postgres as, best first.
func userCandidates() []string { return slices.Clone([]string{"postgres", "nobody"}) }
