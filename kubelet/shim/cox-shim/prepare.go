package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/coxswain-hpc/coxswain/kubelet/shim/shimapi"
)

// prepared is what the user's side of a start gives the launch: open files and the program.
type prepared struct {
	stdio [3]*os.File // for the child
	// Attached runs: our ends of the pipes.
	stdin, stdout, stderr *os.File
	program               string // argv[0] after the search through PATH
	dir                   string // for messages
}

func (p *prepared) closeStdio() {
	for _, f := range p.stdio {
		if f != nil {
			_ = f.Close() // duplicates among the three fail, which is fine
		}
	}
}

// prepare opens everything on the user's path as the user, with no right of root's: a root-squashed
// home lets nobody else in, and a symbolic link can't lead root where the user may not write.
// It changes the process's working directory and umask; the caller puts them back.
func prepare(spec shimapi.Spec) (*prepared, *shimapi.StartError) {
	p := &prepared{dir: spec.Dir}
	back, err := becomeUser(spec.User)
	if err != nil {
		return p, nodeError(shimapi.StepIdentity, "", err)
	}
	failure := p.asUser(spec)
	if err := back(); err != nil {
		// Without its rights this shim can do nothing for the pod any more.
		return p, nodeError(shimapi.StepIdentity, "", err)
	}
	return p, failure
}

func (p *prepared) asUser(spec shimapi.Spec) *shimapi.StartError {
	if err := unix.Chdir(spec.Dir); err != nil {
		return pathError(shimapi.StepWorkdir, spec.Dir, err)
	}
	if failure := p.openStdio(spec); failure != nil {
		return failure
	}
	program, failure := findProgram(spec)
	p.program = program
	return failure
}

func (p *prepared) openStdio(spec shimapi.Spec) *shimapi.StartError {
	if spec.Attach {
		return p.openPipes()
	}
	if failure := p.open(0, shimapi.StepStdin, spec.Stdin, unix.O_RDONLY); failure != nil {
		return failure
	}
	if failure := p.open(1, shimapi.StepStdout, spec.Stdout, outputFlags(spec.Stdout)); failure != nil {
		return failure
	}
	if spec.Stderr.Path == "" || spec.Stderr.Path == spec.Stdout.Path {
		p.stdio[2] = p.stdio[1]
		return nil
	}
	return p.open(2, shimapi.StepStderr, spec.Stderr, outputFlags(spec.Stderr))
}

// outputFlags always appends: two processes that write to one file then don't overwrite each other.
func outputFlags(s shimapi.Stream) int {
	flags := unix.O_WRONLY | unix.O_CREAT | unix.O_APPEND | unix.O_NOCTTY
	if !s.Append {
		flags |= unix.O_TRUNC
	}
	return flags
}

// open uses the plain system call: os.Open would resolve relative paths by the process's directory
// in messages, and would put the file in non-blocking mode for the child too.
func (p *prepared) open(i int, step shimapi.Step, s shimapi.Stream, flags int) *shimapi.StartError {
	path := s.Path
	if path == "" {
		path, flags = os.DevNull, unix.O_RDWR
	}
	const newFileMode = 0o666 // the umask takes the rest
	fd, err := openNow(path, flags|unix.O_CLOEXEC, newFileMode)
	if err != nil {
		if !filepath.IsAbs(path) {
			path = filepath.Join(p.dir, path)
		}
		return pathError(step, path, err)
	}
	p.stdio[i] = os.NewFile(uintptr(fd), path)
	return nil
}

// openNow opens an output without waiting: a FIFO that nobody reads is an error at once (ENXIO), not a
// start that hangs. A file server that wants its lease on the file back is waited for.
func openNow(path string, flags int, mode uint32) (int, error) {
	if flags&unix.O_ACCMODE == unix.O_WRONLY {
		fd, err := retryEINTR(func() (int, error) { return unix.Open(path, flags|unix.O_NONBLOCK, mode) })
		if err == nil {
			err = unix.SetNonblock(fd, false)
		}
		if !errors.Is(err, unix.EAGAIN) {
			return fd, err
		}
	}
	return retryEINTR(func() (int, error) { return unix.Open(path, flags, mode) })
}

// openPipes makes the pipes as the user, so that /dev/stdout can be opened by its owner.
func (p *prepared) openPipes() *shimapi.StartError {
	in, err := pipe()
	if err != nil {
		return nodeError(shimapi.StepStdin, "", err)
	}
	out, err := pipe()
	if err != nil {
		return nodeError(shimapi.StepStdout, "", err)
	}
	errs, err := pipe()
	if err != nil {
		return nodeError(shimapi.StepStderr, "", err)
	}
	p.stdio = [3]*os.File{in.child(0), out.child(1), errs.child(1)}
	p.stdin, p.stdout, p.stderr = in.ours(1), out.ours(0), errs.ours(0)
	return nil
}

type pipePair [2]int

func pipe() (pipePair, error) {
	var fds pipePair
	err := unix.Pipe2(fds[:], unix.O_CLOEXEC)
	return fds, err
}

func (p pipePair) child(end int) *os.File { return os.NewFile(uintptr(p[end]), "pipe") }

// ours is non-blocking, which makes os.File wait in the poller instead of holding a thread.
func (p pipePair) ours(end int) *os.File {
	_ = unix.SetNonblock(p[end], true) // can't fail on a pipe; blocking works too
	return os.NewFile(uintptr(p[end]), "pipe")
}

// findProgram searches PATH as execvp would, with the user's rights.
func findProgram(spec shimapi.Spec) (string, *shimapi.StartError) {
	name := spec.Argv[0]
	if strings.Contains(name, "/") {
		return name, nil
	}
	var denied error
	for dir := range strings.SplitSeq(pathOf(spec.Env), ":") {
		path := filepath.Join(dir, name)
		if dir == "" {
			path = "./" + name
		}
		err := unix.Access(path, unix.X_OK)
		if err == nil && isRegular(path) {
			return path, nil
		}
		if errors.Is(err, unix.EACCES) {
			denied = err
		}
	}
	if denied != nil {
		return "", pathError(shimapi.StepExec, name, denied)
	}
	return "", pathError(shimapi.StepExec, name, unix.ENOENT)
}

func isRegular(path string) bool {
	var st unix.Stat_t
	return unix.Stat(path, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFREG
}

func pathOf(env []string) string {
	for _, e := range env {
		if value, ok := strings.CutPrefix(e, "PATH="); ok {
			return value
		}
	}
	return "/usr/local/bin:/usr/bin:/bin"
}

func retryEINTR(f func() (int, error)) (int, error) {
	for {
		n, err := f()
		if !errors.Is(err, unix.EINTR) {
			return n, err
		}
	}
}
