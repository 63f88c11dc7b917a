package cli

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	mathrand "math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/sync/errgroup"

	"github.com/coxswain-hpc/coxswain/apiserver"
	"github.com/coxswain-hpc/coxswain/apiserver/authority"
	"github.com/coxswain-hpc/coxswain/apiserver/control"
	"github.com/coxswain-hpc/coxswain/apiserver/store"
	"github.com/coxswain-hpc/coxswain/cli/config"
	"github.com/coxswain-hpc/coxswain/internal/clock"
	"github.com/coxswain-hpc/coxswain/internal/service"
	"github.com/coxswain-hpc/coxswain/scheduler/loop"
)

const (
	serverDataDir = "/var/lib/cox"
	serverListen  = "127.0.0.1:7443"
	clusterName   = "cox"
	keyFileName   = "cluster.key"
	serverIDName  = "server-id"
	// keeperEvery is how often the store's partitions are made and dropped.
	keeperEvery = time.Minute
	// socketModeAll lets every user of the machine in: the kernel says who they are.
	socketModeAll = 0o666
)

// serverFlags are the settings of `cox server`.
type serverFlags struct {
	daemonFlags
	database, dataDir, listen, url, socket, clusterKey, name string
	mailCommand                                              string
	connections                                              int32
	allowRootJobs                                            bool
}

func newServer(a *app) *cobra.Command {
	var s serverFlags
	c := &cobra.Command{
		Use: "server --database DSN", Short: "Run a server: the API, and on one of them the scheduler", Args: args(cobra.NoArgs),
		Long: "Run a server. Several may share one PostgreSQL; one of them leads. Each needs the cluster key file\n" +
			"that the first one makes.\n" +
			"Each setting can also be COX_NAME in the environment or name in the YAML file of --config.",
		RunE: func(c *cobra.Command, _ []string) error {
			if err := s.fill(c, a.Getenv); err != nil {
				return err
			}
			return a.serve(c.Context(), s)
		},
	}
	f := c.Flags()
	s.add(f)
	f.StringVar(&s.database, "database", "", "the PostgreSQL to use: postgres://… or key=value pairs; direct, or pooled by session")
	f.StringVar(&s.dataDir, "data-dir", serverDataDir, "where this server keeps its id and the cluster key")
	f.StringVar(&s.listen, "listen", serverListen, "the address for HTTPS")
	f.StringVar(&s.url, "url", "", "the address that others reach this server at (from --listen)")
	f.StringVar(&s.socket, "socket", config.SystemSocket, "the Unix socket for this machine's users; empty for none")
	f.StringVar(&s.clusterKey, "cluster-key", "", "the cluster key file (in the data directory)")
	f.Int32Var(&s.connections, "connections", 0, "the most database connections for work (16)")
	s.addCluster(f)
	return c
}

// addCluster adds the settings that `cox up` shares.
func (s *serverFlags) addCluster(f *pflag.FlagSet) {
	f.StringVar(&s.name, "name", clusterName, "the cluster's name, when it is made")
	f.StringVar(&s.mailCommand, "mail-command", "",
		"a shell command that sends the mail on its standard input to those in its To line (sendmail -t -i)")
	f.BoolVar(&s.allowRootJobs, "allow-root-jobs", false, "accept jobs that run as root")
}

// serverParts is a server put together, not yet running.
type serverParts struct {
	store  *store.Store
	loop   *loop.Loop
	api    *apiserver.Server
	keeper *service.Loop
	mail   *service.Loop
}

func (a *app) serve(ctx context.Context, s serverFlags) error {
	log, err := s.logger(a)
	if err != nil {
		return err
	}
	slog.SetDefault(log)
	if s.database == "" {
		return usagef("name the PostgreSQL to use with --database, or start everything on this machine with `cox up`")
	}
	lock, err := lockServer(s.dataDir)
	if err != nil {
		return err
	}
	defer lock.Close() //nolint:errcheck // it goes with the process
	listeners, err := a.listeners(s)
	if err != nil {
		return err
	}
	parts, err := s.assemble(ctx, listeners[listenNameTLS].Addr(), log)
	if err != nil {
		return endedInOrder(ctx, err)
	}
	defer parts.store.Close()
	return endedInOrder(ctx, parts.run(ctx, listeners))
}

// listeners are those that a parent handed over, else new ones.
func (a *app) listeners(s serverFlags) (map[string]net.Listener, error) {
	list, err := inherited(a.Getenv)
	if err != nil || list[listenNameTLS] != nil {
		return list, err
	}
	list = map[string]net.Listener{}
	if list[listenNameTLS], err = listenTCP(s.listen); err != nil {
		return nil, err
	}
	if s.socket == "" {
		return list, nil
	}
	if list[listenUnix], err = listenSocket(s.socket, socketModeAll); err != nil {
		return nil, err
	}
	return list, nil
}

// assemble connects to the database, brings it up to date and joins the parts.
func (s serverFlags) assemble(ctx context.Context, address net.Addr, log *slog.Logger) (serverParts, error) {
	var p serverParts
	id, err := serverID(s.dataDir)
	if err != nil {
		return p, err
	}
	p.store, err = store.Open(ctx, store.Options{DSN: s.database, MaxConns: s.connections, Logger: log, Clock: clock.Real{}})
	if err != nil {
		return p, err
	}
	if err := p.store.Migrate(ctx, s.name); err != nil {
		p.store.Close()
		return p, err
	}
	if err := p.join(ctx, s, id, address, log); err != nil {
		p.store.Close()
		return p, err
	}
	return p, nil
}

func (p *serverParts) join(ctx context.Context, s serverFlags, id string, address net.Addr, log *slog.Logger) error {
	meta, err := p.store.Meta(ctx)
	if err != nil {
		return err
	}
	keyFile := s.clusterKey
	if keyFile == "" {
		keyFile = filepath.Join(s.dataDir, keyFileName)
	}
	ca, err := authority.Open(ctx, authority.Options{
		Keeper: p.store, KeyFile: keyFile, ClusterName: meta.ClusterName, Now: clock.Real{}.Now(),
	})
	if err != nil {
		return err
	}
	bell, _ := p.store.Bell() // for the life of the process
	p.loop, err = loop.New(loop.Options{
		Store: p.store, Election: p.store, History: history{p.store}, Bell: bell, Clock: clock.Real{}, Logger: log,
		Holder: holderName(id), HolderGone: holderGone(id), Rand: randomSource(),
	})
	if err != nil {
		return err
	}
	p.keeper, err = service.New(service.Config{Name: "keeper", Interval: keeperEvery},
		service.RunnerFunc(p.store.RunKeeper), service.Deps{Clock: clock.Real{}, Log: log, Rand: randomSource()})
	if err != nil {
		return err
	}
	if p.mail, err = p.mailLoop(s, meta.ClusterName, log); err != nil {
		return err
	}
	leading := func() bool { _, ok := p.loop.Leading(); return ok }
	p.api, err = apiserver.New(apiserver.Options{
		Store: p.store, Explainer: p.loop, Feasibility: p.loop, Authority: ca, Clock: clock.Real{}, Logger: log,
		ClusterName: meta.ClusterName, ServerID: id, URL: s.url, Version: Version, AllowRootJobs: s.allowRootJobs,
		Leading: leading, Measures: loopMeasures(leading, p.loop.Metrics),
		MailReady: control.MailCommand(s.mailCommand).Ready,
	})
	return err
}

// mailLoop sends the mails of jobs while this server leads.
func (p *serverParts) mailLoop(s serverFlags, clusterName string, log *slog.Logger) (*service.Loop, error) {
	mail := control.NewMail(control.MailOptions{
		Store: p.store, Mailer: control.MailCommand(s.mailCommand), ClusterName: clusterName, Clock: clock.Real{},
		Leading: func() bool { _, ok := p.loop.Leading(); return ok }, Logger: log, Rand: randomSource(),
	})
	config := service.Config{Name: "mail", Interval: control.MailEvery, Timeout: -1} // each mail has its deadline
	return service.New(config, mail, service.Deps{Clock: clock.Real{}, Log: log, Rand: randomSource()})
}

// run serves until ctx ends or a part fails.
func (p *serverParts) run(ctx context.Context, listeners map[string]net.Listener) error {
	group, ctx := errgroup.WithContext(ctx)
	services := service.Group{p.keeper, p.mail}
	if err := services.Start(ctx); err != nil {
		return fmt.Errorf("start the services: %w", err)
	}
	defer services.Stop()
	group.Go(func() error { return p.loop.Run(ctx) })
	group.Go(func() error { return p.api.Serve(ctx, listeners[listenNameTLS], listeners[listenUnix]) })
	return group.Wait() //nolint:wrapcheck // the parts' errors are whole sentences
}

// serverID is this server's name among its peers, made once.
func serverID(dir string) (string, error) {
	path := filepath.Join(dir, serverIDName)
	text, err := os.ReadFile(path)
	if err == nil && len(strings.TrimSpace(string(text))) > 0 {
		return strings.TrimSpace(string(text)), nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("read the server's id: %w", err)
	}
	id := randomHex()
	if err := os.WriteFile(path, []byte(id+"\n"), 0o600); err != nil {
		return "", fmt.Errorf("keep the server's id: %w", err)
	}
	return id, nil
}

func randomHex() string {
	const idBytes = 8
	b := make([]byte, idBytes)
	rand.Read(b) //nolint:errcheck,gosec // it never fails
	return hex.EncodeToString(b)
}

func randomSource() *mathrand.Rand {
	return mathrand.New(mathrand.NewPCG(mathrand.Uint64(), mathrand.Uint64())) //nolint:gosec // jitter
}
