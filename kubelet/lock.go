package kubelet

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// errLocked is a second kubelet on one state directory.
var errLocked = errors.New("another kubelet works in this state directory")

// lock keeps a second kubelet out of a state directory; the kernel lets go of it with the process.
func lock(stateDir string) (unlock func(), err error) {
	path := filepath.Join(stateDir, "lock")
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the state directory: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = f.Close() // nothing was written
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("%s: %w", stateDir, errLocked)
		}
		return nil, fmt.Errorf("lock the state directory: %w", err)
	}
	return func() { _ = f.Close() }, nil
}
