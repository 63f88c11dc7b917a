package pgtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Options choose what a private server is like.
type Options struct {
	// Durable keeps fsync and synchronous_commit on: for tests of what survives a Kill9 of the
	// machine's Postgres. Default off: a killed server still recovers, as the kernel keeps its writes.
	Durable bool
}

// Server is a Postgres that belongs to one test, which may do to it what it likes. Its methods
// are for one goroutine at a time and fail the test when something goes wrong.
type Server struct {
	tb  testing.TB
	in  install
	dir string

	mu   sync.Mutex
	cmd  *exec.Cmd
	done chan struct{} // closed when the running postmaster has ended
}

// Start returns a running private server. It and its files go away with the test; when the test
// program is killed, the kernel ends the server.
func Start(tb testing.TB, opts Options) *Server {
	tb.Helper()
	in, err := findInstall()
	if err != nil {
		tb.Fatalf("pgtest: %v", err)
	}
	// tb.TempDir is closed to the server's user, and too long for a socket's path.
	dir, err := os.MkdirTemp(socketTempDir(), "coxpg-own-") //nolint:usetesting // as the line above says
	if err != nil {
		tb.Fatalf("pgtest: make a folder for the server: %v", err)
	}
	s := &Server{tb: tb, in: in, dir: dir}
	tb.Cleanup(s.cleanup)
	if err := errors.Join(in.own(dir), in.initdb(dir, opts.Durable)); err != nil {
		tb.Fatalf("pgtest: %v", err)
	}
	s.Restart()
	return s
}

// DSN is the URL of a database on the server; "postgres" always exists. It stays the same over
// restarts.
func (s *Server) DSN(database string) string {
	u := socketURL(s.dir)
	u.Path = "/" + database
	return u.String()
}

// SocketDir is the folder of the server's Unix socket.
func (s *Server) SocketDir() string { return s.dir }

// Restart starts a server that was stopped or killed, and waits until it accepts connections.
func (s *Server) Restart() {
	s.tb.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.done != nil {
		s.tb.Fatal("pgtest: Restart of a server that runs; Stop or Kill9 it first")
	}
	if err := s.start(); err != nil {
		s.tb.Fatalf("pgtest: start the server: %v", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	if err := waitReady(ctx, s.dir); err != nil {
		s.tb.Fatalf("pgtest: %v", err)
	}
}

// start runs the postmaster as a child that dies with this process. That signal is sent when the
// starting thread ends, so the thread is kept for as long as the server runs.
func (s *Server) start() error {
	log, err := os.OpenFile(filepath.Join(s.dir, "log"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("open its log: %w", err)
	}
	defer log.Close() //nolint:errcheck // the child has its own
	cmd := s.in.command(filepath.Join(s.in.bin, "postgres"), "-D", filepath.Join(s.dir, "data"))
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr.Pdeathsig = syscall.SIGQUIT
	started, done := make(chan error), make(chan struct{})
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			cmd.Wait() //nolint:errcheck // ends as it was told to
			close(done)
		}
	}()
	if err := <-started; err != nil {
		return err
	}
	s.cmd, s.done = cmd, done
	return nil
}

// Stop shuts the server down in order; sessions are cut. It does nothing when it is down.
func (s *Server) Stop() {
	s.tb.Helper()
	s.end(func() error { return s.cmd.Process.Signal(syscall.SIGINT) })
}

// Kill9 kills every process of the server at once, as the out-of-memory killer or a power cut
// would. It does nothing when the server is down.
func (s *Server) Kill9() {
	s.tb.Helper()
	s.end(func() error { return killTree(s.cmd.Process.Pid) })
}

func (s *Server) end(how func() error) {
	s.tb.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.done == nil {
		return
	}
	if err := how(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		s.tb.Errorf("pgtest: end the server: %v", err)
	}
	select {
	case <-s.done:
		s.done = nil
	case <-time.After(timeout):
		s.tb.Fatalf("pgtest: the server did not end\n%s", logTail(s.dir))
	}
}

func (s *Server) cleanup() {
	s.Kill9()
	if err := os.RemoveAll(s.dir); err != nil {
		s.tb.Errorf("pgtest: remove the server's folder: %v", err)
	}
}

// killTree kills a postmaster and its children. The postmaster is frozen first, so that no child
// is born unseen; each child has a session of its own, so a process group does not cover them.
// It waits for the children: a new server refuses to start while one is still attached.
func killTree(postmaster int) error {
	if err := syscall.Kill(postmaster, syscall.SIGSTOP); err != nil {
		return fmt.Errorf("freeze the postmaster: %w", err)
	}
	children := childrenOf(postmaster)
	for _, pid := range append(children, postmaster) {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("kill process %d: %w", pid, err)
		}
	}
	return waitGone(children)
}

func childrenOf(parent int) []int {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat") // the pattern is constant and well formed
	var children []int
	for _, path := range stats {
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err == nil && parentOf(pid) == parent {
			children = append(children, pid)
		}
	}
	return children
}

// parentOf reads the second field behind the program's name; 0 for a process that is gone.
func parentOf(pid int) int {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	if len(fields) < 2 || fields[0] == "Z" {
		return 0 // a zombie holds nothing any more
	}
	ppid, err := strconv.Atoi(fields[1])
	if err != nil {
		return 0
	}
	return ppid
}

func waitGone(pids []int) error {
	deadline := time.Now().Add(timeout)
	ticker := time.NewTicker(readyPause)
	defer ticker.Stop()
	for _, pid := range pids {
		for parentOf(pid) != 0 {
			if time.Now().After(deadline) {
				return fmt.Errorf("process %d does not end", pid)
			}
			<-ticker.C
		}
	}
	return nil
}
