package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/api/client"
	"github.com/coxswain-hpc/coxswain/cli/config"
	"github.com/coxswain-hpc/coxswain/cli/listen"
	"github.com/coxswain-hpc/coxswain/cli/postgres"
	"github.com/coxswain-hpc/coxswain/cli/supervise"
	"github.com/coxswain-hpc/coxswain/internal/backoff"
	"github.com/coxswain-hpc/coxswain/internal/clock"
)

const (
	// upReadyMax bounds the wait for the cluster to stand, with a new database on a slow disk.
	upReadyMax = 3 * time.Minute
	// partStopMax bounds the orderly stop of server and kubelet, databaseStopMax that of Postgres.
	partStopMax     = 20 * time.Second
	databaseStopMax = 60 * time.Second
	// joinTTLSeconds is how long the kubelet's join token is good for; it is used at once.
	joinTTLSeconds = 600
	// upPoll is how often a starting part is looked at.
	upPoll = 10 * time.Millisecond
)

// upFlags are the settings of `cox up`.
type upFlags struct {
	serverFlags
	detach                 bool
	node, cpus, memory     string
	reserveCPUs, reserveMB string
	listenGiven            bool
}

func newUp(a *app) *cobra.Command {
	var u upFlags
	c := &cobra.Command{
		Use: "up", Short: "Start a cluster on this machine: PostgreSQL, server and node", Args: args(cobra.NoArgs),
		Long: "Start a whole cluster on this machine, from the same programs as a large one: a private PostgreSQL,\n" +
			"`cox server` and `cox kubelet`. It runs until Ctrl-C or `cox down`; jobs that run are kept, and the\n" +
			"next `cox up` finds them. Without root it works for you alone, and says which limits can't be " +
			"enforced.\n" +
			"Each setting can also be COX_NAME in the environment or name in the YAML file of --config.",
		RunE: func(c *cobra.Command, _ []string) error {
			if err := u.fill(c, a.Getenv); err != nil {
				return err
			}
			u.listenGiven = c.Flags().Changed("listen")
			if err := u.complete(a.Getenv); err != nil {
				return err
			}
			ctx, stop := signal.NotifyContext(c.Context(), syscall.SIGINT, syscall.SIGTERM)
			defer stop()
			if u.detach {
				return a.upDetached(ctx, u)
			}
			return a.up(ctx, u)
		},
	}
	f := c.Flags()
	u.add(f)
	u.addCluster(f)
	f.BoolVarP(&u.detach, "detach", "d", false, "return once the cluster is ready; it goes on in the background")
	f.StringVar(&u.DataDir, "data-dir", "",
		"where everything is kept ("+serverDataDir+", without root ~/.local/state/cox)")
	f.StringVar(&u.Socket, "socket", "",
		"the Unix socket for users (in the data directory; of root's own cluster "+config.SystemSocket+")")
	f.StringVar(&u.Listen, "listen", serverListen,
		"the address for HTTPS; if the default is in use, another port is taken")
	f.StringVar(&u.node, "node", "", "the node's name (the host name)")
	f.StringVar(&u.cpus, "cpus", "", "offer at most so many CPUs")
	f.StringVar(&u.memory, "memory", "", "offer at most so much memory (16G)")
	f.StringVar(&u.reserveCPUs, "reserve-cpus", "", "keep so many CPUs back for the system")
	f.StringVar(&u.reserveMB, "reserve-memory", "", "keep so much memory back for the system (2G)")
	return c
}

// complete fills in the paths.
func (u *upFlags) complete(getenv func(string) string) error {
	dir, err := upDataDir(u.DataDir, getenv)
	if err != nil {
		return err
	}
	u.DataDir = dir
	if u.Socket == "" {
		u.Socket = upSocket(dir)
	}
	return nil
}

// upDataDir is the data directory that is meant: the given one, else root's or the user's own.
func upDataDir(given string, getenv func(string) string) (string, error) {
	switch {
	case given != "":
	case os.Getuid() == 0:
		given = serverDataDir
	default:
		given = config.StateDir(getenv)
	}
	dir, err := filepath.Abs(given)
	if err != nil {
		return "", api.Errorf(api.CodeInvalid, "the data directory %q: %w", given, err)
	}
	return dir, nil
}

func upSocket(dir string) string {
	if dir == serverDataDir && os.Getuid() == 0 {
		return config.SystemSocket
	}
	return filepath.Join(dir, "cox.sock")
}

// cluster is a `cox up` under way.
type cluster struct {
	app    *app
	flags  upFlags
	log    *slog.Logger
	self   string // path of this program
	client *client.Client

	tls  *net.TCPListener
	unix *net.UnixListener

	database *postgres.Server
	children []*supervise.Child // in the order of their start
}

func (a *app) up(ctx context.Context, u upFlags) (err error) {
	log, err := u.logger(a)
	if err != nil {
		return err
	}
	keepNotify(a.Getenv)
	unlock, err := lockUp(u)
	if err != nil {
		return err
	}
	defer unlock()
	c := &cluster{app: a, flags: u, log: log}
	defer c.stop(context.WithoutCancel(ctx))
	readyCtx, cancel := context.WithTimeoutCause(ctx, upReadyMax,
		api.Errorf(api.CodeUnavailable, "not ready within %s", upReadyMax))
	defer cancel()
	if err := c.start(readyCtx); err != nil {
		return err
	}
	<-ctx.Done()
	a.note("stopping; jobs that run go on")
	return nil
}

// start starts part after part; each one needs those before it.
func (c *cluster) start(ctx context.Context) error {
	steps := []func(context.Context) error{
		c.prepare, c.startDatabase, c.listen, c.startServer, c.startKubelet, c.waitNode, c.tellReady,
	}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (c *cluster) prepare(context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	c.self = self
	c.client, err = client.New(client.Options{
		Server: "unix://" + c.flags.Socket, RetryFor: -1, UserAgent: "cox-up/" + Version,
	})
	return err
}

// stop ends the parts, the last first, and takes the sockets away.
func (c *cluster) stop(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	signals := takeSignals()
	go func() {
		select {
		case <-signals: // a second request: do not wait any longer
			cancel()
		case <-ctx.Done():
		}
	}()
	for _, child := range slices.Backward(c.children) {
		child.Stop(ctx)
	}
	if c.unix != nil {
		c.unix.Close() //nolint:errcheck // it is removed with it
	}
	if c.tls != nil {
		c.tls.Close() //nolint:errcheck // nothing waits for it
	}
}

func jittered(p backoff.Policy) *backoff.Backoff {
	return backoff.New(p, rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())))
}

// supervise starts a part and keeps it running.
func (c *cluster) supervise(
	name string, stopSignal syscall.Signal, stopMax time.Duration, command func() *exec.Cmd,
) (*supervise.Child, error) {
	child, err := supervise.Start(supervise.Config{
		Name: name, Command: command, StopSignal: stopSignal, StopMax: stopMax,
		LogPath: filepath.Join(c.flags.DataDir, "log", name+".log"),
	}, clock.Real{}, c.log, jittered)
	if err != nil {
		return nil, err
	}
	c.children = append(c.children, child)
	return child, nil
}

func (c *cluster) startDatabase(ctx context.Context) error {
	var err error
	dir := filepath.Join(c.flags.DataDir, "postgres")
	if _, err := os.Stat(filepath.Join(dir, "data")); errors.Is(err, fs.ErrNotExist) {
		c.app.note("makes a new database in " + dir)
	}
	if c.database, err = postgres.Open(ctx, dir); err != nil {
		return err
	}
	left, err := c.database.StopOrphan(ctx)
	if err != nil {
		return err
	}
	if left {
		c.log.InfoContext(ctx, "stopped a database that was left running")
	}
	child, err := c.supervise("postgres", syscall.SIGINT, databaseStopMax, c.database.Command)
	if err != nil {
		return err
	}
	return c.database.WaitReady(ctx, child.Failed)
}

// listen opens the sockets, which stay open over a restart of the server.
func (c *cluster) listen(context.Context) error {
	mode := listen.ModeAll
	if os.Getuid() != 0 {
		mode = 0o600 // a user's own cluster can run nobody else's jobs
	}
	var err error
	if c.unix, err = listen.Socket(c.flags.Socket, mode); err != nil {
		return err
	}
	c.tls, err = listen.TCP(c.flags.Listen)
	if api.CodeOf(err) == api.CodeExists && !c.flags.listenGiven {
		host, _, _ := net.SplitHostPort(c.flags.Listen) // the default is well formed
		c.tls, err = listen.TCP(net.JoinHostPort(host, "0"))
	}
	return err
}

func (c *cluster) startServer(ctx context.Context) error {
	tlsFile, err := c.tls.File()
	if err != nil {
		return fmt.Errorf("hand the socket over: %w", err)
	}
	unixFile, err := c.unix.File()
	if err != nil {
		return fmt.Errorf("hand the socket over: %w", err)
	}
	args := []string{
		"server", "--database", c.database.DSN(), "--data-dir", c.flags.DataDir, "--listen", c.tls.Addr().String(),
		"--socket", c.flags.Socket, "--name", c.flags.Name,
		"--log-format", c.flags.logFormat, "--log-level", c.flags.logLevel,
	}
	if c.flags.AllowRootJobs {
		args = append(args, "--allow-root-jobs")
	}
	if c.flags.MailCommand != "" {
		args = append(args, "--mail-command", c.flags.MailCommand)
	}
	child, err := c.supervise("server", syscall.SIGTERM, partStopMax, func() *exec.Cmd {
		cmd := exec.Command(c.self, args...)
		cmd.Env = childEnviron("LISTEN_FDS=2", "LISTEN_FDNAMES="+listen.NameTLS+":"+listen.NameUnix)
		cmd.ExtraFiles = []*os.File{tlsFile, unixFile}
		return cmd
	})
	if err != nil {
		return err
	}
	return c.until(ctx, "the server", child, func(ctx context.Context) bool { return c.client.Ready(ctx) == nil })
}

// until waits for a part to be ready; it fails when the part fails again and again.
func (c *cluster) until(
	ctx context.Context, what string, child *supervise.Child, ready func(context.Context) bool,
) error {
	ticker := time.NewTicker(upPoll)
	defer ticker.Stop()
	for {
		if err := child.Failed(); err != nil {
			return err
		}
		if c.tryReady(ctx, ready) {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for %s: %w", what, context.Cause(ctx))
		case <-ticker.C:
		}
	}
}

// tryReady gives one look a second: a server that starts has the socket open already and would keep
// us waiting.
func (c *cluster) tryReady(ctx context.Context, ready func(context.Context) bool) bool {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	return ready(ctx)
}
