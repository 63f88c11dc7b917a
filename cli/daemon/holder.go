package daemon

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/cli/filelock"
)

// A server's name in the leader row is its id and, behind a slash, this run of it. Since a lock lets
// only one process use an id at a time, every other run of the own id is dead for certain, and its
// lease need not be waited for.

// holderName names this run of the server.
func holderName(id string) string { return id + "/" + randomHex() }

// holderGone says whether a holder is a former run of this server.
func holderGone(id string) func(string) bool {
	return func(holder string) bool { return strings.HasPrefix(holder, id+"/") }
}

// lockServer makes sure that no other server uses this data directory.
func lockServer(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o711); err != nil {
		return nil, api.Errorf(api.CodeInvalid, "make the data directory: %w", err)
	}
	file, ok, err := filelock.Try(filepath.Join(dir, "server.lock"))
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, api.Errorf(api.CodeExists,
			"another server uses the data directory %s; give this one its own with --data-dir", dir)
	}
	return file, nil
}
