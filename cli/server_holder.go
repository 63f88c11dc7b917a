package cli

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/coxswain-hpc/coxswain/api"
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

// lockFile takes the lock that a file stands for; it is held until the returned file is closed or
// the process ends. ok is false when another process has it.
func lockFile(path string) (file *os.File, ok bool, err error) {
	file, err = os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, false, fmt.Errorf("open a lock: %w", err)
	}
	err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err == nil {
		return file, true, nil
	}
	file.Close() //nolint:errcheck,gosec // only opened
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, false, nil
	}
	return nil, false, fmt.Errorf("lock %s: %w", path, err)
}

// lockServer makes sure that no other server uses this data directory.
func lockServer(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o711); err != nil {
		return nil, api.Errorf(api.CodeInvalid, "make the data directory: %w", err)
	}
	file, ok, err := lockFile(filepath.Join(dir, "server.lock"))
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, api.Errorf(api.CodeExists, "another server uses the data directory %s; give this one its own with --data-dir", dir)
	}
	return file, nil
}
