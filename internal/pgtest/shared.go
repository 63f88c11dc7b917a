package pgtest

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

//go:embed supervise.sh
var superviseScript string

const (
	superuser = "postgres"
	// idleSeconds is how long the shared server outlives its last user while `go test` still
	// compiles the next package.
	idleSeconds = 30
	// joinTries bounds how often a test program that meets a server on its way out tries again.
	joinTries = 10
)

// handle is this process's one connection to the shared server. It lives as long as the process:
// the lock in it is what keeps the server up.
var handle struct {
	sync.Mutex
	server *shared
}

// shared is a server that tests share.
type shared struct {
	base        *url.URL // of any database on it
	maintenance string   // database for CREATE and DROP DATABASE
	prefix      string   // of every database that this package makes
	outlivesRun bool
	users       *os.File // holds the shared lock; nil on an external server

	count     atomic.Uint64
	mu        sync.Mutex
	templates map[string]bool // those known to be ready
}

func (s *shared) dsn(database string) string {
	u := *s.base
	u.Path = "/" + database
	return u.String()
}

func (s *shared) newName() string {
	return fmt.Sprintf("%stest_%d_%d", s.prefix, os.Getpid(), s.count.Add(1))
}

// joinPrivate takes part in the server of this test run and starts it when it is not there.
func joinPrivate(ctx context.Context) (*shared, error) {
	in, err := findInstall()
	if err != nil {
		return nil, err
	}
	dir, err := runDir()
	if err != nil {
		return nil, err
	}
	users, err := lockUsers(in, dir)
	if err != nil {
		return nil, err
	}
	if err := startOnce(ctx, in, dir); err != nil {
		return nil, errors.Join(err, users.Close())
	}
	return &shared{
		base: socketURL(dir), maintenance: "postgres", prefix: "cox_",
		users: users, templates: map[string]bool{},
	}, nil
}

func socketURL(dir string) *url.URL {
	return &url.URL{
		Scheme: "postgres", User: url.User(superuser), Path: "/postgres",
		RawQuery: url.Values{"host": {dir}}.Encode(),
	}
}

// runDir is the folder that all test programs of one `go test`, their common parent, agree on.
// The parent's start time tells apart two runs that got the same pid.
func runDir() (string, error) {
	parent := os.Getppid()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", parent))
	if err != nil {
		return "", fmt.Errorf("identify the test run: %w", err)
	}
	// Field 22, counted from behind the program's name, which may hold anything.
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	if len(fields) < 20 {
		return "", fmt.Errorf("identify the test run: unexpected content %q", stat)
	}
	name := fmt.Sprintf("coxpg-%d-%d-%s", os.Getuid(), parent, fields[19])
	return filepath.Join(socketTempDir(), name), nil
}

// socketTempDir is the temporary folder, unless a Unix socket's path (107 bytes) would not fit, or
// root's own temporary folder might be closed to the server's user.
func socketTempDir() string {
	if dir := os.TempDir(); len(dir) <= 50 && os.Geteuid() != 0 {
		return dir
	}
	return "/tmp"
}

// lockUsers counts this process among the users of the server in dir.
func lockUsers(in install, dir string) (*os.File, error) {
	for range joinTries {
		if err := makeDir(in, dir); err != nil {
			return nil, err
		}
		path := filepath.Join(dir, "users")
		f, err := os.OpenFile(path, os.O_RDONLY|os.O_CREATE, 0o644)
		if errors.Is(err, os.ErrNotExist) {
			continue // the last server removed the folder just now
		}
		if err != nil {
			return nil, fmt.Errorf("join the test server: %w", err)
		}
		if err := flock(f, syscall.LOCK_SH); err != nil {
			return nil, errors.Join(err, f.Close())
		}
		if isStill(f, path) {
			return f, in.own(path) // the watcher opens it, whatever our umask was
		}
		f.Close() //nolint:errcheck // only the lock on a removed file is given up
	}
	return nil, fmt.Errorf("join the test server in %s: it went away %d times", dir, joinTries)
}

// makeDir makes the folder, or checks that the one that is there was made by this package for
// us: the name can be guessed by anybody on the machine.
func makeDir(in install, dir string) error {
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return fmt.Errorf("make the test server's folder: %w", err)
	}
	info, err := os.Lstat(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil // removed just now: opening the lock file fails, and we come again
	}
	if err != nil {
		return fmt.Errorf("check the test server's folder: %w", err)
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	mine := ok && (owner.Uid == uint32(os.Getuid()) || (in.who != nil && owner.Uid == in.who.Uid))
	if !info.IsDir() || info.Mode().Perm() != 0o700 || !mine {
		return fmt.Errorf("%s belongs to somebody else; remove it", dir)
	}
	return in.own(dir)
}

func flock(f *os.File, how int) error {
	for {
		err := syscall.Flock(int(f.Fd()), how)
		if err == nil {
			return nil
		}
		if !errors.Is(err, syscall.EINTR) {
			return fmt.Errorf("lock %s: %w", f.Name(), err)
		}
	}
}

func isStill(f *os.File, path string) bool {
	opened, errOpened := f.Stat()
	named, errNamed := os.Stat(path)
	return errOpened == nil && errNamed == nil && os.SameFile(opened, named)
}

// startOnce makes and starts the server unless another test program did.
func startOnce(ctx context.Context, in install, dir string) error {
	setup, err := os.OpenFile(filepath.Join(dir, "setup"), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return fmt.Errorf("start the test server: %w", err)
	}
	defer setup.Close() //nolint:errcheck // gives up the lock, nothing else
	if err := flock(setup, syscall.LOCK_EX); err != nil {
		return err
	}
	if info, err := setup.Stat(); err == nil && info.Size() > 0 {
		return waitReady(ctx, dir)
	}
	if err := os.RemoveAll(filepath.Join(dir, "data")); err != nil { // of one that was killed halfway
		return fmt.Errorf("start the test server: %w", err)
	}
	if err := in.initdb(dir, false); err != nil {
		return err
	}
	if err := in.supervise(dir); err != nil {
		return err
	}
	if err := waitReady(ctx, dir); err != nil {
		return err
	}
	_, err = setup.WriteString("started\n")
	return err
}

// supervise starts the server under its watcher, which is nobody's child once we end.
func (in install) supervise(dir string) error {
	cmd := in.command("/bin/sh", "-c", superviseScript, "supervise.sh",
		in.bin, dir, strconv.Itoa(os.Getppid()), strconv.Itoa(idleSeconds))
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start the test server: %w", err)
	}
	go cmd.Wait() //nolint:errcheck // reaps it, should it end before us
	return nil
}

// readyPause is the time between two looks whether a starting server accepts connections.
const readyPause = 20 * time.Millisecond

func waitReady(ctx context.Context, dir string) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	ticker := time.NewTicker(readyPause)
	defer ticker.Stop()
	for {
		err := withConn(ctx, socketURL(dir).String(), func(c *pgx.Conn) error { return c.Ping(ctx) })
		if err == nil {
			return nil
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return fmt.Errorf("the test server does not answer: %w\n%s", err, logTail(dir))
		}
	}
}

// logTailBytes bounds how much of the server's log goes into a failure message.
const logTailBytes = 4096

func logTail(dir string) string {
	log, err := os.ReadFile(filepath.Join(dir, "log"))
	if err != nil {
		return err.Error()
	}
	return string(log[max(0, len(log)-logTailBytes):])
}
