// Package logs reads a pod's output file for somebody who may see it, with the rights of the user
// who owns the pod: root may be nobody on a home file system, and a symbolic link must not lead a
// process of root's to a file that the user can't read.
//
// The file is read by tail(1) running as the user. A helper process is the one thing that has all of
// the user's identity; a thread of the kubelet that took it on could be killed by the user, and the
// whole kubelet with it. The package knows no sessions and no pods.
package logs

import (
	"bytes"
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
	"time"

	"github.com/coxswain-hpc/coxswain/api"
)

const (
	// chunkBytes is how much is passed on at once.
	chunkBytes = 32 << 10
	// complaintMax bounds what is kept of the reader's complaint.
	complaintMax = 4 << 10
	// killWait is how long a killed reader's pipes may stay open.
	killWait = 5 * time.Second
)

// Request says what to read.
type Request struct {
	// Path is absolute. Offset is the first byte to read, 0 for all.
	Path   string
	Offset int64
	// User is whom to read as; nil for the process's own user.
	User *syscall.Credential
	// Ended, if not nil, makes the reader follow the file until the channel is closed; what was
	// written until then is read too.
	Ended <-chan struct{}
}

// Read passes the file's bytes to emit, in order, and returns at the end of the file. An error of
// emit ends it.
func Read(ctx context.Context, r Request, emit func([]byte) error) error {
	if !filepath.IsAbs(r.Path) || r.Offset < 0 {
		return api.Errorf(api.CodeInvalid, "%q from byte %d can't be read", r.Path, r.Offset)
	}
	at := r.Offset
	counted := func(data []byte) error {
		at += int64(len(data))
		return emit(data)
	}
	if r.Ended == nil {
		return tail(ctx, r, at, false, counted)
	}
	following, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(ctx, cancel)
	defer stop()
	go func() {
		select {
		case <-r.Ended:
			cancel()
		case <-following.Done():
		}
	}()
	err := tail(following, r, at, true, counted)
	if err != nil && (ctx.Err() != nil || following.Err() == nil) {
		return err
	}
	return tail(ctx, r, at, false, counted) // what came between the last look and the end
}

// tail runs the reader once.
func tail(ctx context.Context, r Request, at int64, follow bool, emit func([]byte) error) error {
	args := []string{"-c", "+" + strconv.FormatInt(at+1, 10)}
	if follow {
		args = append(args, "-f")
	}
	cmd := exec.CommandContext(ctx, "tail", append(args, "--", r.Path)...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C"}
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: r.User, Pdeathsig: syscall.SIGKILL}
	cmd.WaitDelay = killWait
	complaint := &head{}
	cmd.Stderr = complaint
	out, err := cmd.StdoutPipe()
	if err != nil {
		return fmt.Errorf("read %s: %w", r.Path, err)
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("read %s: %w", r.Path, err)
	}
	emitErr := pass(out, emit)
	if emitErr != nil {
		_ = cmd.Process.Kill() // it may have ended by itself
	}
	err = cmd.Wait()
	switch {
	case emitErr != nil:
		return emitErr
	case err != nil && ctx.Err() == nil:
		return readError(r.Path, complaint.String(), err)
	}
	return context.Cause(ctx)
}

func pass(out io.Reader, emit func([]byte) error) error {
	chunk := make([]byte, chunkBytes)
	for {
		n, err := out.Read(chunk)
		if n > 0 {
			if err := emit(chunk[:n]); err != nil {
				return err
			}
		}
		switch {
		case errors.Is(err, io.EOF) || errors.Is(err, os.ErrClosed):
			return nil
		case err != nil:
			return err
		}
	}
}

// readError says why the file can't be read. Whether it exists is the user's own affair, so the
// reader's words can be shown to him.
func readError(path, complaint string, err error) error {
	switch {
	case strings.Contains(complaint, "No such file"):
		return api.Errorf(api.CodeNotFound, "the output file %s does not exist (any more)", path)
	case strings.Contains(complaint, "Permission denied"):
		return api.Errorf(api.CodeForbidden, "the output file %s can't be read with the rights of the job's owner",
			path)
	}
	return api.Errorf(api.CodeUnavailable, "the output file %s can't be read: %s: %w", path,
		strings.TrimSpace(complaint), err)
}

// head keeps the beginning of what is written to it.
type head struct{ bytes.Buffer }

func (h *head) Write(p []byte) (int, error) {
	room := max(0, complaintMax-h.Len())
	h.Buffer.Write(p[:min(room, len(p))])
	return len(p), nil
}
