package cli

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net"
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

const (
	// kubeletCredentials is the file by which a kubelet knows that it has joined.
	kubeletCredentials = "credentials.json"
	// joinTokenFile carries the token to the kubelet, whose arguments everybody can read.
	joinTokenFile = "join-token"
)

func (c *cluster) kubeletDir() string { return filepath.Join(c.flags.DataDir, "kubelet") }

func (c *cluster) startKubelet(ctx context.Context) error {
	args, err := c.kubeletArgs()
	if err != nil {
		return err
	}
	_, err = c.supervise("kubelet", syscall.SIGTERM, partStopMax, func() *exec.Cmd {
		cmd := exec.Command(c.self, args...)
		cmd.Env = childEnviron()
		// Each start of a kubelet that has not joined needs a token of its own.
		if _, err := os.Stat(filepath.Join(c.kubeletDir(), kubeletCredentials)); err != nil {
			if err := c.writeJoinToken(ctx); err != nil {
				c.log.ErrorContext(ctx, "make a join token", slog.Any("error", err))
			}
			cmd.Args = append(cmd.Args, "--join-file", c.joinFile())
		}
		return cmd
	})
	return err
}

func (c *cluster) joinFile() string { return filepath.Join(c.flags.DataDir, joinTokenFile) }

func (c *cluster) kubeletArgs() ([]string, error) {
	_, port, err := net.SplitHostPort(c.tls.Addr().String())
	if err != nil {
		return nil, fmt.Errorf("the address of the server: %w", err)
	}
	args := []string{
		"kubelet", "--server", "https://" + net.JoinHostPort("127.0.0.1", port), "--state-dir", c.kubeletDir(),
		"--cgroup-root", cgroupRoot(c.flags.DataDir),
		"--log-format", c.flags.logFormat, "--log-level", c.flags.logLevel,
	}
	for flag, value := range map[string]string{
		"--node": c.flags.node, "--cpus": c.flags.cpus, "--memory": c.flags.memory,
		"--reserve-cpus": c.flags.reserveCPUs, "--reserve-memory": c.flags.reserveMB,
	} {
		if value != "" {
			args = append(args, flag, value)
		}
	}
	return append(args, c.uidFloor()...), nil
}

// uidFloor lets root's jobs in where they are allowed, and the own ones of a user with a low uid.
func (c *cluster) uidFloor() []string {
	switch {
	case c.flags.AllowRootJobs:
		return []string{"--uid-floor", "-1"}
	case os.Getuid() != 0:
		return []string{"--uid-floor", strconv.Itoa(os.Getuid())}
	}
	return nil
}

// cgroupRoot keeps several clusters on one machine apart.
func cgroupRoot(dataDir string) string {
	if dataDir == serverDataDir {
		return "cox"
	}
	sum := sha256.Sum256([]byte(dataDir))
	return "cox-" + hex.EncodeToString(sum[:4])
}

func (c *cluster) writeJoinToken(ctx context.Context) error {
	t, err := c.client.CreateToken(ctx, client.TokenRequest{Use: "join", TTLSeconds: joinTTLSeconds, Comment: "cox up"})
	if err != nil {
		return err
	}
	if err := os.WriteFile(c.joinFile(), []byte(t.Text+"\n"), 0o600); err != nil {
		return fmt.Errorf("hand the join token over: %w", err)
	}
	return nil
}

// waitNode waits until this machine's node is ready for work.
func (c *cluster) waitNode(ctx context.Context) error {
	name := c.flags.node
	if name == "" {
		host, err := os.Hostname()
		if err != nil {
			return fmt.Errorf("the name of this machine: %w", err)
		}
		name = host
	}
	since := time.Now()
	kubelet := c.children[len(c.children)-1]
	err := c.until(ctx, "the node", kubelet, func(ctx context.Context) bool {
		node, err := c.client.Node(ctx, name)
		return err == nil && node.Status.State == api.NodeReady
	})
	c.log.DebugContext(ctx, "node is ready", slog.Duration("after", time.Since(since)))
	os.Remove(c.joinFile()) //nolint:errcheck // used up, if it is there at all
	return err
}

// tellReady says how to use the cluster and how to stop it.
func (c *cluster) tellReady(ctx context.Context) error {
	nodes, err := c.client.Nodes(ctx)
	if err != nil {
		return err
	}
	text := c.readyText(nodes)
	if err := c.app.say("%s", text); err != nil {
		return err
	}
	notifyParent(c.app.Getenv, text)
	return nil
}

func (c *cluster) readyText(nodes []api.Node) string {
	var have api.Resources
	var warnings strings.Builder
	for _, n := range nodes {
		have = have.Add(n.Status.Inventory.Allocatable)
		for _, condition := range n.Status.Conditions {
			fmt.Fprintf(&warnings, "  %s: %s\n", condition.Type, condition.Message)
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "Cluster %s is up: %s, %s CPUs, %s of memory.\n", c.flags.Name, plural(int64(len(nodes)), "node"),
		api.FormatCPUs(have.CPUMillis), api.FormatBytes(have.MemoryBytes))
	if warnings.Len() > 0 {
		b.WriteString("Warnings:\n" + warnings.String())
	}
	fmt.Fprintf(&b, "  data    %s (logs in %s)\n", c.flags.DataDir, filepath.Join(c.flags.DataDir, "log"))
	fmt.Fprintf(&b, "  socket  %s\n", c.flags.Socket)
	fmt.Fprintf(&b, "  https   %s\n", c.tls.Addr())
	b.WriteString("Use it:\n")
	down := "cox down"
	if !c.found() {
		fmt.Fprintf(&b, "  export COX_SOCKET=%s\n", c.flags.Socket)
		down += " --data-dir " + c.flags.DataDir
	}
	b.WriteString("  cox run -- hostname\n  cox submit job.sh\n  cox queue\n")
	stop := "Stop it with Ctrl-C, or"
	if c.app.Getenv(notifyVariable) != "" {
		stop = "Stop it with"
	}
	fmt.Fprintf(&b, "%s `%s`.", stop, down)
	return b.String()
}

// found says whether commands find this cluster by themselves.
func (c *cluster) found() bool {
	target, err := (&app{Getenv: c.app.Getenv}).target()
	return err == nil && target.Server == "unix://"+c.flags.Socket && c.app.Getenv("COX_SOCKET") == ""
}
