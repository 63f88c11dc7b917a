// Package listen makes a server's sockets, or takes them over from the parent that made them.
//
// Sockets can be handed to a server as systemd does it: LISTEN_FDS counts them, from descriptor 3 on,
// and LISTEN_FDNAMES names them. `cox up` does so, and since it keeps them open, a client that comes
// while a killed server starts again waits instead of failing.
package listen

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/coxswain-hpc/coxswain/api"
)

// The names of a server's sockets.
const (
	NameTLS  = "tls"
	NameUnix = "unix"

	first = 3 // descriptor
)

// Inherited returns the listeners that were handed over, by name.
func Inherited(getenv func(string) string) (map[string]net.Listener, error) {
	count, err := strconv.Atoi(getenv("LISTEN_FDS"))
	if err != nil || count <= 0 {
		return nil, nil //nolint:nilerr // not set: nothing was handed over
	}
	names := strings.Split(getenv("LISTEN_FDNAMES"), ":")
	list := map[string]net.Listener{}
	for i := range min(count, len(names)) {
		syscall.CloseOnExec(first + i)
		file := os.NewFile(uintptr(first+i), names[i])
		l, err := net.FileListener(file)
		file.Close() //nolint:errcheck // FileListener has its own
		if err != nil {
			return nil, fmt.Errorf("take over the socket %s: %w", names[i], err)
		}
		list[names[i]] = l
	}
	return list, nil
}

// Socket makes a Unix socket. A file that a dead server left there is removed, a live
// server's is an error.
func Socket(path string, mode os.FileMode) (*net.UnixListener, error) {
	const pathMax = 107 // the kernel's
	if len(path) > pathMax {
		return nil, api.Errorf(api.CodeInvalid, "the socket's path %s is longer than %d characters; choose another",
			path, pathMax)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("make the socket's folder: %w", err)
	}
	if conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: path, Net: "unix"}); err == nil {
		conn.Close() //nolint:errcheck // it was only a question
		return nil, api.Errorf(api.CodeExists, "another server listens at %s", path)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("remove an old socket: %w", err)
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	if err := os.Chmod(path, mode); err != nil {
		l.Close() //nolint:errcheck // the other error matters
		return nil, fmt.Errorf("open the socket to users: %w", err)
	}
	return l, nil
}

// TCP makes a TCP listener for TLS.
func TCP(address string) (*net.TCPListener, error) {
	resolved, err := net.ResolveTCPAddr("tcp", address)
	if err != nil {
		return nil, api.Errorf(api.CodeInvalid, "the address %q to listen at: %w", address, err)
	}
	l, err := net.ListenTCP("tcp", resolved)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, api.Errorf(api.CodeExists, "the address %s is in use; choose another with --listen", address)
	}
	if err != nil {
		return nil, api.Errorf(api.CodeInvalid, "listen at %s: %w", address, err)
	}
	return l, nil
}

// ModeAll lets every user of the machine in: the kernel says who they are.
const ModeAll os.FileMode = 0o666
