package logs_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/kubelet/logs"
)

const nobody = 65534

func write(t *testing.T, path, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	require.NoError(t, err)
	_, err = f.WriteString(text)
	require.NoError(t, err)
	require.NoError(t, f.Close())
}

// collector keeps what was read.
type collector struct {
	mu   sync.Mutex
	text strings.Builder
}

func (c *collector) emit(data []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.text.Write(data)
	return nil
}

func (c *collector) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.text.String()
}

func TestReadFromAnOffset(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "out")
	write(t, path, "0123456789")
	for offset, want := range map[int64]string{0: "0123456789", 4: "456789", 10: "", 99: ""} {
		var got collector
		require.NoError(t, logs.Read(t.Context(), logs.Request{Path: path, Offset: offset}, got.emit))
		require.Equal(t, want, got.String(), offset)
	}
}

func TestFollowUntilTheEnd(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "out")
	write(t, path, "one ")
	ended, done := make(chan struct{}), make(chan error, 1)
	var got collector
	go func() { done <- logs.Read(t.Context(), logs.Request{Path: path, Ended: ended}, got.emit) }()
	require.Eventually(t, func() bool { return got.String() == "one " }, 10*time.Second, 5*time.Millisecond)
	write(t, path, "two ")
	require.Eventually(t, func() bool { return got.String() == "one two " }, 10*time.Second, 5*time.Millisecond)
	write(t, path, "three")
	close(ended)
	require.NoError(t, <-done)
	require.Equal(t, "one two three", got.String(), "what was written before the end is read")
}

func TestTheUsersRightsDecide(t *testing.T) {
	t.Parallel()
	require.Zero(t, os.Geteuid(), "run the node's tests as root")
	dir, err := os.MkdirTemp("", "cox-logs-") //nolint:usetesting // t.TempDir lets nobody else in
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	require.NoError(t, os.Chmod(dir, 0o755))
	secret := filepath.Join(dir, "secret")
	require.NoError(t, os.WriteFile(secret, []byte("x"), 0o600))
	link := filepath.Join(dir, "link")
	require.NoError(t, os.Symlink(secret, link))
	user := &syscall.Credential{Uid: nobody, Gid: nobody}
	for _, path := range []string{secret, link} {
		err := logs.Read(t.Context(), logs.Request{Path: path, User: user}, func([]byte) error { return nil })
		require.Equal(t, api.CodeForbidden, api.CodeOf(err), "%v", err)
	}
	err = logs.Read(t.Context(), logs.Request{Path: filepath.Join(dir, "none"), User: user}, nil)
	require.Equal(t, api.CodeNotFound, api.CodeOf(err), "%v", err)
}

func TestAReaderThatGoesAwayEndsIt(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "out")
	write(t, path, "x")
	gone := errors.New("gone")
	err := logs.Read(t.Context(), logs.Request{Path: path, Ended: make(chan struct{})},
		func([]byte) error { return gone })
	require.ErrorIs(t, err, gone)

	ctx, cancel := context.WithCancel(t.Context())
	err = logs.Read(ctx, logs.Request{Path: path, Ended: make(chan struct{})},
		func([]byte) error { cancel(); return nil })
	require.ErrorIs(t, err, context.Canceled)
}
