package kubelet

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/coxswain-hpc/coxswain/internal/clock"
)

// errLocked is a second kubelet on one state directory.
var errLocked = errors.New("another kubelet works in this state directory")

// A shim that a killed kubelet was just forking holds that kubelet's lock until it executes its program.
const (
	lockPatience = 3 * time.Second
	lockPause    = 20 * time.Millisecond
)

// lock keeps a second kubelet out of a state directory; the kernel lets go of it with the process.
func lock(ctx context.Context, c clock.Clock, stateDir string) (unlock func(), err error) {
	path := filepath.Join(stateDir, "lock")
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the state directory: %w", err)
	}
	until := c.Boot() + lockPatience
	for err = unix.EWOULDBLOCK; errors.Is(err, unix.EWOULDBLOCK) && c.Boot() < until && ctx.Err() == nil; {
		if err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
			_ = clock.Sleep(ctx, c, lockPause) // the loop ends with ctx
		}
	}
	if err != nil {
		_ = f.Close() // nothing was written
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("%s: %w", stateDir, errLocked)
		}
		return nil, fmt.Errorf("lock the state directory: %w", err)
	}
	return func() { _ = f.Close() }, nil
}
