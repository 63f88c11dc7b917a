package postgres

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/google/renameio/v2"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/internal/nss"
)

const (
	// role and database are ours alone.
	role     = "cox"
	database = "postgres"
	// socketPathMax is what the kernel allows for a Unix socket's path.
	socketPathMax = 107
	socketName    = ".s.PGSQL.5432"
	// pollEvery is how often a starting or stopping server is looked at.
	pollEvery = 10 * time.Millisecond
	// orphanStopMax bounds the orderly stop of a server that outlived its `cox up`.
	orphanStopMax = 60 * time.Second
)

// Server is the private Postgres of one data directory.
type Server struct {
	dir  string // of this package: data/, run/, hba and ident files
	bin  string
	user api.Identity // whom it runs as
	self api.Identity // whom this process runs as
}

// Open finds or makes the database in dir, which must not be used for anything else.
func Open(ctx context.Context, dir string) (*Server, error) {
	s := &Server{dir: dir}
	if n := len(filepath.Join(s.runDir(), socketName)); n > socketPathMax {
		return nil, api.Errorf(api.CodeInvalid,
			"the data directory's path is %d characters too long for a Unix socket; choose another with --data-dir",
			n-socketPathMax)
	}
	var err error
	if s.bin, err = find(dataVersion(s.dataDir())); err != nil {
		return nil, err
	}
	if err := s.identities(ctx); err != nil {
		return nil, err
	}
	if err := s.prepare(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

func (s *Server) dataDir() string { return filepath.Join(s.dir, "data") }
func (s *Server) runDir() string  { return filepath.Join(s.dir, "run") }
func (s *Server) path(name string) string {
	return filepath.Join(s.dir, name)
}

// identities chooses whom Postgres runs as.
func (s *Server) identities(ctx context.Context) error {
	var lookup nss.Lookup
	var err error
	if s.self, err = lookup.ByUID(ctx, int64(os.Getuid())); err != nil {
		return fmt.Errorf("who runs this: %w", err)
	}
	if s.self.UID != 0 {
		s.user = s.self
		return nil
	}
	for _, name := range userCandidates() {
		if s.user, err = lookup.ByName(ctx, name); err == nil {
			return nil
		}
	}
	return fmt.Errorf("a user for Postgres, which must not run as root: %w", err)
}

// prepare makes the folders, the database if there is none, and who may log in. The outer folder stays
// ours: where another user can write, a link of his would lead root's hand.
func (s *Server) prepare(ctx context.Context) error {
	const passThrough = 0o711
	if err := s.own(s.dir, s.self, passThrough); err != nil {
		return err
	}
	if err := s.own(s.runDir(), s.user, 0o700); err != nil {
		return err
	}
	// Peer authentication: the kernel says who connects, and only these two may.
	ident := fmt.Sprintf("cox %s %s\ncox %s %s\n", s.self.User, role, s.user.User, role)
	for name, text := range map[string]string{"hba.conf": "local all all peer map=cox\n", "ident.conf": ident} {
		const everybodyReads = 0o644
		if err := renameio.WriteFile(s.path(name), []byte(text), everybodyReads); err != nil {
			return fmt.Errorf("configure the database: %w", err)
		}
	}
	if dataVersion(s.dataDir()) != 0 {
		return nil
	}
	return s.initdb(ctx)
}

// own makes a folder of somebody's, or makes it his.
func (s *Server) own(dir string, owner api.Identity, mode fs.FileMode) error {
	if err := os.MkdirAll(dir, mode); err != nil {
		return fmt.Errorf("make the database's folder: %w", err)
	}
	if err := os.Lchown(dir, int(owner.UID), int(owner.GID)); err != nil {
		return fmt.Errorf("give the database's folder to %s: %w", owner.User, err)
	}
	if err := os.Chmod(dir, mode); err != nil {
		return fmt.Errorf("close the database's folder: %w", err)
	}
	return nil
}

// initdb makes the database under another name and renames it, so that a half-made one is never used.
func (s *Server) initdb(ctx context.Context) error {
	next := s.dataDir() + ".new"
	if err := os.RemoveAll(next); err != nil {
		return fmt.Errorf("make the database: %w", err)
	}
	if err := s.own(next, s.user, 0o700); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, filepath.Join(s.bin, "initdb"), "--pgdata="+next, "--username="+role,
		"--auth-local=peer", "--auth-host=reject", "--encoding=UTF8", "--locale=C", "--no-instructions")
	s.asUser(cmd)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return api.Errorf(api.CodeUnavailable, "make the database as user %s: %w: %s",
			s.user.User, err, lastLine(string(out)))
	}
	if err := os.Rename(next, s.dataDir()); err != nil {
		return fmt.Errorf("make the database: %w", err)
	}
	return nil
}

func lastLine(s string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return lines[len(lines)-1]
}

// asUser lets a command run as Postgres' user, with nothing of our environment.
func (s *Server) asUser(cmd *exec.Cmd) {
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=" + s.bin + ":/usr/bin:/bin", "LC_ALL=C", "HOME=/"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if s.self.UID == 0 {
		groups := make([]uint32, len(s.user.Groups))
		for i, g := range s.user.Groups {
			groups[i] = uint32(g)
		}
		cmd.SysProcAttr.Credential = &syscall.Credential{
			Uid: uint32(s.user.UID), Gid: uint32(s.user.GID), Groups: groups,
		}
	}
}

// Command starts the server. What is set here holds whatever postgresql.conf says: a socket in our
// folder, no network, our own rules of who may log in, and every commit on disk.
func (s *Server) Command() *exec.Cmd {
	args := []string{"-D", s.dataDir()}
	for _, setting := range []string{
		"listen_addresses=", "unix_socket_directories=" + s.runDir(), "unix_socket_permissions=0700", "port=5432",
		"hba_file=" + s.path("hba.conf"), "ident_file=" + s.path("ident.conf"),
		"fsync=on", "synchronous_commit=on", "full_page_writes=on",
		"shared_buffers=128MB", "max_connections=60", "max_wal_size=1GB", "checkpoint_timeout=15min",
		"wal_compression=on", "random_page_cost=1.1", "logging_collector=off", "cluster_name=cox",
	} {
		args = append(args, "-c", setting)
	}
	cmd := exec.Command(filepath.Join(s.bin, "postgres"), args...)
	s.asUser(cmd)
	return cmd
}

// DSN is how `cox server` connects.
func (s *Server) DSN() string {
	u := url.URL{Scheme: "postgres", User: url.User(role), Path: "/" + database}
	u.RawQuery = url.Values{"host": {s.runDir()}, "port": {"5432"}}.Encode()
	return u.String()
}

// pidFile is what a running server says of itself in postmaster.pid.
type pidFile struct {
	PID   int
	Ready bool
}

func (s *Server) readPID() (pidFile, bool) {
	text, err := os.ReadFile(filepath.Join(s.dataDir(), "postmaster.pid"))
	if err != nil {
		return pidFile{}, false
	}
	lines := strings.Split(string(text), "\n")
	pid, err := strconv.Atoi(strings.TrimSpace(lines[0]))
	if err != nil {
		return pidFile{}, false
	}
	const statusLine = 7
	return pidFile{PID: pid, Ready: len(lines) > statusLine && strings.TrimSpace(lines[statusLine]) == "ready"}, true
}

// WaitReady waits until the server with that process id accepts connections; alive tells whether it
// still runs.
func (s *Server) WaitReady(ctx context.Context, alive func() error) error {
	for {
		if f, ok := s.readPID(); ok && f.Ready && s.serves(f.PID) {
			return nil
		}
		if err := alive(); err != nil {
			return err
		}
		if err := pause(ctx); err != nil {
			return fmt.Errorf("wait for the database: %w", err)
		}
	}
}

func pause(ctx context.Context) error {
	timer := time.NewTimer(pollEvery)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// serves says whether the process is a Postgres on our data directory, not a stranger that got the
// number of a dead one.
func (s *Server) serves(pid int) bool {
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return err == nil && strings.Contains(string(line), s.dataDir())
}

// StopOrphan stops a server that outlived its `cox up`: in order, so that the next start needs no
// recovery. It reports whether there was one.
func (s *Server) StopOrphan(ctx context.Context) (bool, error) {
	f, ok := s.readPID()
	if !ok || !s.serves(f.PID) {
		return false, nil
	}
	if err := syscall.Kill(f.PID, syscall.SIGINT); err != nil && !errors.Is(err, syscall.ESRCH) {
		return true, fmt.Errorf("stop the database that was left running (process %d): %w", f.PID, err)
	}
	ctx, cancel := context.WithTimeout(ctx, orphanStopMax)
	defer cancel()
	for s.serves(f.PID) {
		if err := pause(ctx); err != nil {
			return true, api.Errorf(api.CodeUnavailable,
				"the database that was left running (process %d) does not stop", f.PID)
		}
	}
	err := os.Remove(filepath.Join(s.dataDir(), "postmaster.pid"))
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return true, err //nolint:wrapcheck // os.Remove names the file
}
