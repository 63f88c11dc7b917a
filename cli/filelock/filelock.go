// Package filelock lets one process at a time have what a file stands for.
package filelock

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// Try takes the lock that a file stands for; it is held until the returned file is closed or
// the process ends. ok is false when another process has it.
func Try(path string) (file *os.File, ok bool, err error) {
	file, err = os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, false, fmt.Errorf("open a lock: %w", err)
	}
	err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err == nil {
		return file, true, nil
	}
	file.Close() //nolint:errcheck // only opened
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, false, nil
	}
	return nil, false, fmt.Errorf("lock %s: %w", path, err)
}
