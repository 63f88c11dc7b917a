package step

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/coxswain-hpc/coxswain/api"
)

// userDirMode keeps a pod's directory to its user.
const userDirMode = 0o700

// Scratch makes the pod's own temporary directory (TMPDIR), which is gone after its end.
type Scratch struct {
	Dir string
	// Chown gives the directory to the user; an unprivileged kubelet can't and needn't.
	Chown bool
}

// Name implements Step.
func (Scratch) Name() string { return "scratch" }

// Prepare implements Step.
func (s Scratch) Prepare(_ context.Context, p *Pod) error {
	path := filepath.Join(s.Dir, p.Assignment.Key.PathName())
	if err := makeUserDir(path, p.Owner, s.Chown); err != nil {
		return fmt.Errorf("make the temporary directory: %w", err)
	}
	p.Scratch = path
	return nil
}

// makeUserDir makes a fresh directory of the user. What a killed kubelet left there goes first.
func makeUserDir(path string, owner api.Identity, chown bool) error {
	err := os.Mkdir(path, userDirMode)
	if errors.Is(err, fs.ErrExist) {
		if err := os.RemoveAll(path); err != nil {
			return err
		}
		err = os.Mkdir(path, userDirMode)
	}
	if err != nil || !chown {
		return err
	}
	return os.Chown(path, int(owner.UID), int(owner.GID))
}

// Cleanup implements Step. RemoveAll follows no symbolic link, so the user can't lead it elsewhere.
// Most pods leave the directory empty, which is tried first: it is a dozen system calls less.
func (s Scratch) Cleanup(_ context.Context, a api.PodAssignment) error {
	path := filepath.Join(s.Dir, a.Key.PathName())
	if err := unix.Rmdir(path); err == nil || errors.Is(err, unix.ENOENT) {
		return nil
	}
	return os.RemoveAll(path)
}
