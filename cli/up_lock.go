package cli

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/cli/filelock"
)

// upLockName is held by the `cox up` that uses a data directory; it says who that is and where the
// cluster's socket is.
const upLockName = "up.lock"

// makeDataDir makes the data directory. As root every user may pass through it to what is theirs
// (the socket, their jobs' scripts); a user's own is private.
func makeDataDir(dir string) error {
	mode := os.FileMode(0o700)
	if os.Getuid() == 0 {
		mode = 0o711
	}
	if err := os.MkdirAll(dir, mode); err != nil {
		return api.Errorf(api.CodeInvalid, "make the data directory: %w", err)
	}
	info, err := os.Stat(dir)
	if err != nil {
		return api.Errorf(api.CodeInvalid, "look at the data directory: %w", err)
	}
	if info.Mode().Perm()&mode == mode {
		return nil
	}
	if err := os.Chmod(dir, info.Mode().Perm()|mode); err != nil {
		return api.Errorf(api.CodeInvalid, "let users pass through the data directory: %w", err)
	}
	return nil
}

// lockUp makes this the only `cox up` on its data directory.
func lockUp(u upFlags) (unlock func(), err error) {
	if err := makeDataDir(u.DataDir); err != nil {
		return nil, err
	}
	path := filepath.Join(u.DataDir, upLockName)
	file, ok, err := filelock.Try(path)
	if err != nil {
		return nil, err
	}
	if !ok {
		owner, _ := readUpLock(u.DataDir) // without it the message is shorter
		return nil, api.Errorf(api.CodeExists, "cox up runs already on %s (process %d); `cox down` stops it",
			u.DataDir, owner.PID)
	}
	text := fmt.Sprintf("%d\n%s\n", os.Getpid(), u.Socket)
	if err = file.Truncate(0); err == nil {
		_, err = file.WriteAt([]byte(text), 0)
	}
	if err != nil {
		file.Close() //nolint:errcheck // the other error matters
		return nil, fmt.Errorf("write the lock: %w", err)
	}
	return func() { file.Close() }, nil //nolint:errcheck // it goes with the process
}

// upOwner is who holds the lock.
type upOwner struct {
	PID    int
	Socket string
}

func readUpLock(dir string) (upOwner, error) {
	file, err := os.Open(filepath.Join(dir, upLockName))
	if err != nil {
		return upOwner{}, fmt.Errorf("read the lock: %w", err)
	}
	defer file.Close() //nolint:errcheck // only read
	const lockBytesMax = 4096
	text, err := io.ReadAll(io.LimitReader(file, lockBytesMax))
	if err != nil {
		return upOwner{}, fmt.Errorf("read the lock: %w", err)
	}
	pid, rest, _ := strings.Cut(string(text), "\n")
	n, err := strconv.Atoi(pid)
	if err != nil {
		return upOwner{}, fmt.Errorf("read the lock: %w", err)
	}
	return upOwner{PID: n, Socket: strings.TrimSpace(rest)}, nil
}
