// Package cluster starts a real `cox up` (server, kubelet and a private Postgres as processes of
// their own) in a temporary data directory, for benchmarks and for tests that kill its parts. It is
// a black box: it knows the binary, the socket and the process table, nothing else.
package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/api/client"
)

// readyMax bounds the wait for a new cluster with a ready node: initdb alone takes seconds.
const readyMax = 90 * time.Second

// stopMax bounds an orderly stop before everything is killed.
const stopMax = 30 * time.Second

// pollEvery is how often conditions of other processes are looked at.
const pollEvery = 20 * time.Millisecond

// Cluster is a running `cox up`.
type Cluster struct {
	Cox    string // the binary
	Dir    string // the data directory
	Socket string
	up     *exec.Cmd
	done   chan error
	log    *os.File
}

// Options say which binary to run and where.
type Options struct {
	// Cox is the path of the binary; Dir an empty or former data directory that others may enter.
	Cox string
	Dir string
	// Args are further arguments of `cox up`, Env further environment.
	Args []string
	Env  []string
	// User runs it as somebody else; Dir must be his then.
	User *syscall.Credential
}

// Start starts a cluster and returns when its node is ready.
func Start(ctx context.Context, o Options) (*Cluster, error) {
	c := &Cluster{Cox: o.Cox, Dir: o.Dir, Socket: filepath.Join(o.Dir, "cox.sock"), done: make(chan error, 1)}
	log, err := os.OpenFile(filepath.Join(o.Dir, "up.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, fmt.Errorf("log of cox up: %w", err)
	}
	c.log = log
	c.up = exec.Command(o.Cox, append([]string{"up", "--data-dir", o.Dir}, o.Args...)...)
	c.up.Env = append(os.Environ(), o.Env...)
	c.up.Stdout, c.up.Stderr = log, log
	c.up.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Credential: o.User}
	if err := c.up.Start(); err != nil {
		return nil, fmt.Errorf("start cox up: %w", err)
	}
	go func() { c.done <- c.up.Wait() }()
	if err := c.WaitReady(ctx); err != nil {
		c.Stop()
		return nil, err
	}
	return c, nil
}

// WaitReady waits until a node is ready.
func (c *Cluster) WaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyMax)
	defer cancel()
	api1, err := c.Client()
	if err != nil {
		return err
	}
	defer api1.Close()
	return Until(ctx, func() (bool, error) {
		select {
		case err := <-c.done:
			c.done <- err
			return false, fmt.Errorf("cox up ended: %w; its output:\n%s", err, c.Log())
		default:
		}
		nodes, err := api1.Nodes(ctx)
		if err != nil {
			return false, nil //nolint:nilerr // not up yet: the deadline decides
		}
		for _, n := range nodes {
			if n.Status.State == api.NodeReady {
				return true, nil
			}
		}
		return false, nil
	})
}

// Until calls f until it says true or fails, or the context ends.
func Until(ctx context.Context, f func() (bool, error)) error {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		ok, err := f()
		if ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting: %w", ctx.Err())
		case <-tick.C:
		}
	}
}

// Client returns a client on the local socket that gives up at once when the server is away.
func (c *Cluster) Client() (*client.Client, error) {
	cl, err := client.New(client.Options{Server: "unix://" + c.Socket, RetryFor: -1})
	if err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	return cl, nil
}

// Command returns a command of the binary that talks to this cluster.
func (c *Cluster) Command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, c.Cox, args...)
	cmd.Env = append(os.Environ(), "COX_SOCKET="+c.Socket)
	return cmd
}

// Log returns what cox up and its children printed.
func (c *Cluster) Log() string {
	var b strings.Builder
	paths, _ := filepath.Glob(filepath.Join(c.Dir, "log", "*.log"))
	for _, p := range append([]string{filepath.Join(c.Dir, "up.log")}, paths...) {
		if text, err := os.ReadFile(p); err == nil {
			fmt.Fprintf(&b, "== %s\n%s\n", filepath.Base(p), lastLines(string(text), 60))
		}
	}
	return b.String()
}

func lastLines(s string, n int) string {
	lines := strings.Split(strings.TrimRight(s, "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// Child finds the process of this cluster whose command line contains all words ("server",
// "kubelet", "postgres"): a child of cox up. It returns 0 when there is none.
func (c *Cluster) Child(words ...string) int {
	for _, pid := range Processes() {
		if parentOf(pid) == c.up.Process.Pid && commandHas(pid, words) {
			return pid
		}
	}
	return 0
}

// Processes lists the process ids of this machine.
func Processes() []int {
	entries, _ := os.ReadDir("/proc")
	var pids []int
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

// CommandLine reads a process's arguments, joined by spaces.
func CommandLine(pid int) string {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return string(bytes.ReplaceAll(bytes.TrimRight(b, "\x00"), []byte{0}, []byte{' '}))
}

func commandHas(pid int, words []string) bool {
	line := CommandLine(pid)
	for _, w := range words {
		if !strings.Contains(line, w) {
			return false
		}
	}
	return line != ""
}

func parentOf(pid int) int {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	// the command may hold spaces and brackets: the fields start after the last one
	fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	if len(fields) < 2 {
		return 0
	}
	ppid, _ := strconv.Atoi(fields[1])
	return ppid
}

// Up is the process id of `cox up`.
func (c *Cluster) Up() int { return c.up.Process.Pid }

// Stop ends the cluster in order, and by force if that takes too long. Jobs end with it.
func (c *Cluster) Stop() {
	defer RemoveGroups(groupRoot(c.Dir))
	defer c.log.Close() //nolint:errcheck // nothing is written after it
	_ = c.up.Process.Signal(syscall.SIGTERM)
	select {
	case <-c.done: //nolint:errcheck // how it ended does not matter
	case <-time.After(stopMax):
		c.Kill()
	}
}

// Kill kills cox up and every process of its session.
func (c *Cluster) Kill() {
	pid := c.up.Process.Pid
	if err := syscall.Kill(-pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		_ = c.up.Process.Kill()
	}
	<-c.done //nolint:errcheck // how it ended does not matter
}
