// Package embedded is coxd inside of cox, and how a process becomes it.
package embedded

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"github.com/coxswain-hpc/coxswain/cli"
)

//go:embed bin
var embedded embed.FS

const embeddedPath = "bin/coxd"

// ErrNotEmbedded means that this build of cox has no coxd inside.
var ErrNotEmbedded = errors.New("this build of cox has no coxd inside; build it with: make build")

// Daemons become coxd, which reads the same arguments and environment again. They return only when
// that fails.
func Daemons() cli.Daemons {
	return cli.Daemons{
		Server:  func(_ context.Context, s cli.ServerSettings) error { return become(s.DataDir) },
		Kubelet: func(_ context.Context, k cli.KubeletSettings) error { return become(k.StateDir) },
	}
}

// become executes coxd in place of this program; dir is a folder of the daemon's own.
func become(dir string) error {
	program, err := embedded.Open(embeddedPath)
	if errors.Is(err, fs.ErrNotExist) {
		return ErrNotEmbedded
	}
	if err != nil {
		return fmt.Errorf("read coxd: %w", err)
	}
	defer program.Close() //nolint:errcheck // only read
	// A file without a name leaves nothing behind and can't be replaced by anybody. On the daemon's
	// own disk its pages can be dropped; memory is for disks that don't know such files or don't let
	// programs run.
	fileErr := execute(program, func() (int, error) { return unnamed(dir) })
	memoryErr := execute(program, func() (int, error) { return unix.MemfdCreate("coxd", unix.MFD_CLOEXEC) })
	return fmt.Errorf("start coxd: %w", errors.Join(fileErr, memoryErr))
}

func unnamed(dir string) (int, error) {
	if err := os.MkdirAll(dir, 0o711); err != nil {
		return -1, err
	}
	return unix.Open(dir, unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o500)
}

func execute(program fs.File, create func() (int, error)) error {
	fd, err := create()
	if err != nil {
		return err
	}
	file := os.NewFile(uintptr(fd), "coxd")
	defer file.Close()                                                   //nolint:errcheck // a copy of what is embedded
	if _, err := program.(io.Seeker).Seek(0, io.SeekStart); err != nil { //nolint:forcetypeassert // as embed says
		return err
	}
	if _, err := io.Copy(file, program); err != nil {
		return err
	}
	// A file that is open for writing can't be executed.
	readable, err := os.Open(fmt.Sprintf("/proc/self/fd/%d", fd))
	if err != nil {
		return err
	}
	defer readable.Close() //nolint:errcheck // only read
	if err := file.Close(); err != nil {
		return err
	}
	return unix.Exec(fmt.Sprintf("/proc/self/fd/%d", readable.Fd()), os.Args, os.Environ())
}
