package daemon

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

	"golang.org/x/sync/errgroup"

	"github.com/coxswain-hpc/coxswain/apiserver"
	"github.com/coxswain-hpc/coxswain/apiserver/authority"
	"github.com/coxswain-hpc/coxswain/apiserver/control"
	"github.com/coxswain-hpc/coxswain/apiserver/store"
	"github.com/coxswain-hpc/coxswain/cli"
	"github.com/coxswain-hpc/coxswain/cli/listen"
	"github.com/coxswain-hpc/coxswain/internal/clock"
	"github.com/coxswain-hpc/coxswain/internal/service"
	"github.com/coxswain-hpc/coxswain/scheduler/loop"
)

const (
	keyFileName  = "cluster.key"
	serverIDName = "server-id"
	// keeperEvery is how often the store's partitions are made and dropped.
	keeperEvery = time.Minute
)

// serverParts is a server put together, not yet running.
type serverParts struct {
	store  *store.Store
	loop   *loop.Loop
	api    *apiserver.Server
	keeper *service.Loop
	mail   *service.Loop
}

// Server runs a server until ctx ends or a signal ends it.
func Server(ctx context.Context, s cli.ServerSettings) error {
	return untilSignal(ctx, func(ctx context.Context) error { return serve(ctx, s) })
}

func serve(ctx context.Context, s cli.ServerSettings) error {
	slog.SetDefault(s.Log)
	lock, err := lockServer(s.DataDir)
	if err != nil {
		return err
	}
	defer lock.Close() //nolint:errcheck // it goes with the process
	sockets, err := listeners(s)
	if err != nil {
		return err
	}
	parts, err := assemble(ctx, s)
	if err != nil {
		return err
	}
	defer parts.store.Close()
	return parts.run(ctx, sockets)
}

// listeners are those that a parent handed over, else new ones.
func listeners(s cli.ServerSettings) (map[string]net.Listener, error) {
	list, err := listen.Inherited(os.Getenv)
	if err != nil || list[listen.NameTLS] != nil {
		return list, err
	}
	list = map[string]net.Listener{}
	if list[listen.NameTLS], err = listen.TCP(s.Listen); err != nil {
		return nil, err
	}
	if s.Socket == "" {
		return list, nil
	}
	if list[listen.NameUnix], err = listen.Socket(s.Socket, listen.ModeAll); err != nil {
		return nil, err
	}
	return list, nil
}

// assemble connects to the database, brings it up to date and joins the parts.
func assemble(ctx context.Context, s cli.ServerSettings) (serverParts, error) {
	var p serverParts
	id, err := serverID(s.DataDir)
	if err != nil {
		return p, err
	}
	p.store, err = store.Open(ctx, store.Options{
		DSN: s.Database, MaxConns: s.Connections, Logger: s.Log, Clock: clock.Real{},
	})
	if err != nil {
		return p, err
	}
	if err := p.store.Migrate(ctx, s.Name); err != nil {
		p.store.Close()
		return p, err
	}
	if err := p.join(ctx, s, id); err != nil {
		p.store.Close()
		return p, err
	}
	return p, nil
}

func (p *serverParts) join(ctx context.Context, s cli.ServerSettings, id string) error {
	meta, err := p.store.Meta(ctx)
	if err != nil {
		return err
	}
	keyFile := s.ClusterKey
	if keyFile == "" {
		keyFile = filepath.Join(s.DataDir, keyFileName)
	}
	ca, err := authority.Open(ctx, authority.Options{
		Keeper: p.store, KeyFile: keyFile, ClusterName: meta.ClusterName, Now: clock.Real{}.Now(),
	})
	if err != nil {
		return err
	}
	bell, _ := p.store.Bell() // for the life of the process
	p.loop, err = loop.New(loop.Options{
		Store: p.store, Election: p.store, History: history{p.store}, Bell: bell, Clock: clock.Real{}, Logger: s.Log,
		Holder: holderName(id), HolderGone: holderGone(id), Rand: randomSource(),
	})
	if err != nil {
		return err
	}
	p.keeper, err = service.New(service.Config{Name: "keeper", Interval: keeperEvery},
		service.RunnerFunc(p.store.RunKeeper), service.Deps{Clock: clock.Real{}, Log: s.Log, Rand: randomSource()})
	if err != nil {
		return err
	}
	if p.mail, err = p.mailLoop(s, meta.ClusterName); err != nil {
		return err
	}
	leading := func() bool { _, ok := p.loop.Leading(); return ok }
	p.api, err = apiserver.New(apiserver.Options{ //nolint:contextcheck // each request brings its own
		Store: p.store, Explainer: p.loop, Feasibility: p.loop, Authority: ca, Clock: clock.Real{}, Logger: s.Log,
		ClusterName: meta.ClusterName, ServerID: id, URL: s.URL, Version: cli.Version, AllowRootJobs: s.AllowRootJobs,
		Leading: leading, Measures: loopMeasures(leading, p.loop.Metrics),
		MailReady: control.MailCommand(s.MailCommand).Ready,
	})
	return err
}

// mailLoop sends the mails of jobs while this server leads.
func (p *serverParts) mailLoop(s cli.ServerSettings, clusterName string) (*service.Loop, error) {
	mail := control.NewMail(control.MailOptions{
		Store: p.store, Mailer: control.MailCommand(s.MailCommand), ClusterName: clusterName, Clock: clock.Real{},
		Leading: func() bool { _, ok := p.loop.Leading(); return ok }, Logger: s.Log, Rand: randomSource(),
	})
	config := service.Config{Name: "mail", Interval: control.MailEvery, Timeout: -1} // each mail has its deadline
	return service.New(config, mail, service.Deps{Clock: clock.Real{}, Log: s.Log, Rand: randomSource()})
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
	group.Go(func() error { return p.api.Serve(ctx, listeners[listen.NameTLS], listeners[listen.NameUnix]) })
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
	rand.Read(b)
	return hex.EncodeToString(b)
}

func randomSource() *mathrand.Rand {
	return mathrand.New(mathrand.NewPCG(mathrand.Uint64(), mathrand.Uint64()))
}
