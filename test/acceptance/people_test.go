package acceptance

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coxswain-hpc/coxswain/test/cluster"
)

// patience bounds the wait for something that a loaded machine does late.
const patience = 90 * time.Second

// person is a user whom only the name service knows (libnss-extrausers), never /etc/passwd.
type person struct {
	name     string
	uid, gid uint32
	groups   []uint32
}

// The people of these tests. nobodyKnown has an id and no entry anywhere.
var (
	alice       = person{name: "coxalice", uid: 61001, gid: 61001, groups: []uint32{61001, labGroup}}
	bob         = person{name: "coxbob", uid: 61002, gid: 61002, groups: []uint32{61002}}
	nobodyKnown = person{name: "coxghost", uid: 61099, gid: 61099}
)

// labGroup is a group that alice is in beside her own.
const labGroup = 61100

func (p person) home() string { return filepath.Join(base, "home", p.name) }

func (p person) credential() *syscall.Credential {
	return &syscall.Credential{Uid: p.uid, Gid: p.gid, Groups: p.groups}
}

// furnishNames gives the namespace a name service with our people in it.
func furnishNames() error {
	if _, err := os.Stat("/var/lib/extrausers"); err != nil {
		return fmt.Errorf("install the package libnss-extrausers: %w", err)
	}
	conf := filepath.Join(base, "etc", "nsswitch.conf")
	var passwd, group strings.Builder
	for _, p := range []person{alice, bob} {
		fmt.Fprintf(&passwd, "%s:x:%d:%d::%s:/bin/bash\n", p.name, p.uid, p.gid, p.home())
		fmt.Fprintf(&group, "%s:x:%d:\n", p.name, p.gid)
	}
	fmt.Fprintf(&group, "coxlab:x:%d:%s\n", labGroup, alice.name)
	const services = "passwd: files extrausers\ngroup: files extrausers\nshadow: files extrausers\n" +
		"hosts: files dns\n"
	extra := filepath.Join(base, "extrausers")
	return errors.Join(
		os.WriteFile(conf, []byte(services), 0o644),
		os.WriteFile(filepath.Join(extra, "passwd"), []byte(passwd.String()), 0o644),
		os.WriteFile(filepath.Join(extra, "group"), []byte(group.String()), 0o644),
		bind(conf, "/etc/nsswitch.conf"), bind(extra, "/var/lib/extrausers"),
		furnishHomes(alice, bob, nobodyKnown),
	)
}

func furnishHomes(people ...person) error {
	var errs []error
	for _, p := range people {
		errs = append(errs, os.Mkdir(p.home(), 0o755), os.Chown(p.home(), int(p.uid), int(p.gid)))
	}
	return errors.Join(errs...)
}

// result is what a command gave.
type result struct {
	out, err string
	code     int
}

// at is a person in a directory, with a cluster.
type at struct {
	person
	t   *testing.T
	c   *cluster.Cluster
	dir string
}

func (p person) at(t *testing.T, c *cluster.Cluster, dir string) at {
	t.Helper()
	return at{person: p, t: t, c: c, dir: dir}
}

// command is a program that this person runs.
func (a at) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	a.t.Helper()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = a.dir
	cmd.Env = []string{
		"PATH=" + filepath.Dir(binary()) + ":/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8", "PWD=" + a.dir,
		"HOME=" + a.home(), "USER=" + a.name, "LOGNAME=" + a.name,
	}
	if a.c != nil {
		cmd.Env = append(cmd.Env, "COX_SOCKET="+a.c.Socket)
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: a.credential(), Pdeathsig: syscall.SIGKILL}
	return cmd
}

// try runs a program and says how it ended.
func (a at) try(name string, args ...string) result {
	a.t.Helper()
	ctx, cancel := context.WithTimeout(a.t.Context(), patience)
	defer cancel()
	cmd := a.command(ctx, name, args...)
	var out, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		require.NoError(a.t, err, "%s as %s", name, a.name)
	}
	require.NoError(a.t, ctx.Err(), "%s %v took too long: %s%s", name, args, &out, &stderr)
	return result{out: out.String(), err: stderr.String(), code: cmd.ProcessState.ExitCode()}
}

// do runs a program that must succeed, and returns what it printed.
func (a at) do(name string, args ...string) string {
	a.t.Helper()
	r := a.try(name, args...)
	require.Zero(a.t, r.code, "%s %v as %s: %s%s", name, args, a.name, r.out, r.err)
	return r.out
}

// cox runs a command of cox that must succeed.
func (a at) cox(args ...string) string {
	a.t.Helper()
	return a.do(binary(), args...)
}

// write makes a file with this person's rights.
func (a at) write(name, text string) {
	a.t.Helper()
	a.do("/bin/sh", "-c", `printf %s "$2" > "$1"`, "sh", name, text)
}

// eventually waits until a command of cox prints what is wanted.
func (a at) eventually(want string, args ...string) {
	a.t.Helper()
	ctx, cancel := context.WithTimeout(a.t.Context(), patience)
	defer cancel()
	var last result
	err := cluster.Until(ctx, func() (bool, error) {
		last = a.try(binary(), args...)
		return strings.Contains(last.out, want), nil
	})
	require.NoError(a.t, err, "%q never came from cox %v: %s%s", want, args, last.out, last.err)
}
