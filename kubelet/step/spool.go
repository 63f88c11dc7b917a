package step

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/coxswain-hpc/coxswain/api"
)

// scriptName is what $0 of a batch script ends in, as under Slurm.
const scriptName = "slurm_script"

// scriptMode lets the user read and run the script, and nobody else.
const scriptMode = 0o500

// Spool writes the batch script to a directory on the node that only its user can enter: the
// user's own directories may be unreachable for root.
type Spool struct {
	Dir   string
	Chown bool
}

// Name implements Step.
func (Spool) Name() string { return "spool" }

// Prepare implements Step.
func (s Spool) Prepare(_ context.Context, p *Pod) error {
	if len(p.Template.Payload.Script) == 0 {
		return nil
	}
	dir := filepath.Join(s.Dir, p.Assignment.Key.PathName())
	if err := makeUserDir(dir, p.Owner, s.Chown); err != nil {
		return fmt.Errorf("make the spool directory: %w", err)
	}
	path := filepath.Join(dir, scriptName)
	if err := s.write(path, p.Template.Payload.Script, p.Owner); err != nil {
		return fmt.Errorf("write the script: %w", err)
	}
	p.Script = path
	return nil
}

// write holds the lock that a fork takes: a process forked meanwhile would inherit the open file,
// and as long as somebody has a script open for writing, the kernel refuses to run it (ETXTBSY).
func (s Spool) write(path string, script []byte, owner api.Identity) error {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, scriptMode)
	if err != nil {
		return err
	}
	_, err = f.Write(script)
	if err == nil && s.Chown {
		err = f.Chown(int(owner.UID), int(owner.GID))
	}
	return errors.Join(err, f.Close())
}

// Cleanup implements Step; the script is all that is in most spool directories.
func (s Spool) Cleanup(_ context.Context, a api.PodAssignment) error {
	path := filepath.Join(s.Dir, a.Key.PathName())
	_ = unix.Unlink(filepath.Join(path, scriptName)) // what fails here shows next
	if err := unix.Rmdir(path); err == nil || errors.Is(err, unix.ENOENT) {
		return nil
	}
	return os.RemoveAll(path)
}
