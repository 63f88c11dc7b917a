package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/coxswain-hpc/coxswain/api"
)

const (
	// notifyVariable names the descriptor on which a detached `cox up` says that it is ready.
	notifyVariable = "COX_UP_NOTIFY_FD"
	notifyFD       = 3
	upLogName      = "up.log"
)

// notifyParent hands the text for the user to the waiting parent, if there is one.
func notifyParent(getenv func(string) string, text string) {
	fd, err := strconv.Atoi(getenv(notifyVariable))
	if err != nil {
		return
	}
	pipe := os.NewFile(uintptr(fd), "notify")
	io.WriteString(pipe, text) //nolint:errcheck // a parent that is gone needs no text
	pipe.Close()               //nolint:errcheck // likewise
}

// keepNotify keeps the descriptor from the parts that are started: the parent waits for its end.
func keepNotify(getenv func(string) string) {
	if fd, err := strconv.Atoi(getenv(notifyVariable)); err == nil {
		syscall.CloseOnExec(fd)
	}
}

// childEnviron is this process's environment for a part.
func childEnviron(more ...string) []string {
	var env []string
	for _, entry := range os.Environ() {
		if !strings.HasPrefix(entry, notifyVariable+"=") && !strings.HasPrefix(entry, "LISTEN_") {
			env = append(env, entry)
		}
	}
	return append(env, more...)
}

// upDetached starts `cox up` in the background and waits until it is ready or fails.
func (a *app) upDetached(ctx context.Context, u upFlags) error {
	logPath := filepath.Join(u.DataDir, "log", upLogName)
	if err := makeDataDir(u.DataDir); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(logPath), 0o755); err != nil {
		return fmt.Errorf("make the folder of logs: %w", err)
	}
	log, err := os.OpenFile(logPath, os.O_CREATE|os.O_APPEND|os.O_RDWR, 0o640)
	if err != nil {
		return fmt.Errorf("open a log: %w", err)
	}
	defer log.Close() //nolint:errcheck // the child has its own
	from, err := log.Seek(0, io.SeekEnd)
	if err != nil {
		return fmt.Errorf("open a log: %w", err)
	}
	text, cmd, err := startDetached(ctx, log)
	if err != nil {
		return err
	}
	if text != "" {
		return a.say("%s", text)
	}
	return a.detachFailed(cmd.Wait(), log, from)
}

// startDetached returns what the child says when it is ready; nothing if it ends before.
func startDetached(ctx context.Context, log *os.File) (string, *exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return "", nil, fmt.Errorf("find this program: %w", err)
	}
	ready, write, err := os.Pipe()
	if err != nil {
		return "", nil, fmt.Errorf("make a pipe: %w", err)
	}
	defer ready.Close() //nolint:errcheck // only read
	cmd := exec.Command(self, append(withoutDetach(os.Args[1:]), "--detach=false")...)
	cmd.Stdout, cmd.Stderr, cmd.Dir = log, log, "/"
	cmd.ExtraFiles = []*os.File{write}
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d", notifyVariable, notifyFD))
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	err = cmd.Start()
	write.Close() //nolint:errcheck // the child has its own
	if err != nil {
		return "", nil, fmt.Errorf("start in the background: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { cmd.Process.Signal(syscall.SIGTERM) }) //nolint:errcheck // may have ended
	defer stop()
	text, err := io.ReadAll(ready)
	if err != nil {
		return "", nil, fmt.Errorf("wait for the cluster: %w", err)
	}
	return string(text), cmd, nil
}

// withoutDetach drops the flag that made this the parent.
func withoutDetach(args []string) []string {
	var kept []string
	for _, arg := range args {
		if arg != "--detach" && arg != "-d" && !strings.HasPrefix(arg, "--detach=") {
			kept = append(kept, arg)
		}
	}
	return kept
}

// detachFailed repeats what the child wrote before it ended.
func (a *app) detachFailed(err error, log *os.File, from int64) error {
	if _, seek := log.Seek(from, io.SeekStart); seek == nil {
		io.Copy(a.Stderr, log) //nolint:errcheck // the exit code says it too
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() > 0 {
		return statusError{exit.ExitCode()}
	}
	return api.Errorf(api.CodeUnavailable, "cox up ended before it was ready; its log is %s", log.Name())
}
