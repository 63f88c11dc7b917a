// Package acceptance runs the real cluster in surroundings that need preparation: people who exist in
// the name service only, home directories that refuse root, a user without root's rights, a mail
// system, a workflow manager, a database that is away.
//
// Everything happens in a mount namespace of its own, so that the machine's name service, its
// devices and its mounts stay as they are whatever happens to the tests. It is a black box: the
// tests know the binary and what it says, nothing else.
package acceptance

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// baseVariable names the directory of everything that the tests make; it is set inside the
// namespace only.
const baseVariable = "COX_ACCEPTANCE_BASE"

// base is that directory. Everybody can enter it.
var base = os.Getenv(baseVariable)

func TestMain(m *testing.M) {
	if base == "" {
		os.Exit(again())
	}
	if err := furnish(); err != nil {
		fmt.Fprintln(os.Stderr, "prepare the surroundings:", err)
		os.Exit(1)
	}
	code := m.Run()
	stopShared()
	os.Exit(code)
}

// again runs this program once more in a new mount namespace and takes away what that leaves.
func again() int {
	if os.Geteuid() != 0 {
		fmt.Fprintln(os.Stderr, "these tests change users and mounts: run them as root")
		return 1
	}
	dir, err := os.MkdirTemp("", "cox-acceptance-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir) //nolint:errcheck // best effort
	self, err := os.Executable()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	cmd := exec.Command(self, os.Args[1:]...)
	cmd.Env = append(os.Environ(), baseVariable+"="+dir)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: unix.CLONE_NEWNS}
	err = cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		fmt.Fprintln(os.Stderr, "run the tests in a mount namespace of their own:", err)
		return 1
	}
	return cmd.ProcessState.ExitCode()
}

// furnish makes the namespace's own name service, FUSE device and people.
func furnish() error {
	if err := unix.Mount("tmpfs", base, "tmpfs", 0, "mode=755,size=4g"); err != nil {
		return fmt.Errorf("mount %s: %w", base, err)
	}
	for _, dir := range []string{"bin", "home", "etc", "extrausers"} {
		if err := os.Mkdir(filepath.Join(base, dir), 0o755); err != nil {
			return err
		}
	}
	return errors.Join(furnishNames(), furnishFuse(), furnishBinary())
}

// furnishFuse makes /dev/fuse what it is on every ordinary machine: usable by everybody.
func furnishFuse() error {
	const device = "/dev/fuse"
	info, err := os.Stat(device)
	if err != nil {
		return fmt.Errorf("this kernel has no FUSE (modprobe fuse): %w", err)
	}
	own := filepath.Join(base, "etc", "fuse")
	stat := info.Sys().(*syscall.Stat_t) //nolint:forcetypeassert // what Linux gives
	if err := unix.Mknod(own, unix.S_IFCHR|0o666, int(stat.Rdev)); err != nil {
		return fmt.Errorf("make a FUSE device: %w", err)
	}
	if err := os.Chmod(own, 0o666); err != nil {
		return err
	}
	return bind(own, device)
}

func bind(from, to string) error {
	if err := unix.Mount(from, to, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("mount %s over %s: %w", from, to, err)
	}
	return nil
}

// furnishBinary copies the binary: a build meanwhile doesn't disturb, and every user can reach it.
func furnishBinary() error {
	program, err := os.ReadFile(filepath.Join("..", "..", "bin", "cox"))
	if err != nil {
		return fmt.Errorf("the binary under test is made by `make build`: %w", err)
	}
	return os.WriteFile(binary(), program, 0o755)
}

func binary() string { return filepath.Join(base, "bin", "cox") }
