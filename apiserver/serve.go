package apiserver

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"sync"
	"time"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/apiserver/authn"
)

const (
	// headerTimeout and idleTimeout bound a connection that says nothing; bodies have bodyTimeout.
	headerTimeout = 10 * time.Second
	idleTimeout   = 2 * time.Minute
	headerMax     = 64 << 10
	// shutdownTimeout bounds the wait for requests under way.
	shutdownTimeout = 10 * time.Second
	// announceInterval is how often a server shows the others that it lives.
	announceInterval = 10 * time.Second
)

// Serve runs the server on the two listeners until ctx ends, then lets requests under way finish. The
// TCP listener is served with TLS 1.3 and a certificate made for it; the Unix socket as it is. Either
// may be nil. It returns nil after an orderly end.
func (s *Server) Serve(ctx context.Context, tcp, unix net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if err := s.store.EnsureDefaults(ctx, s.clock.Now()); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	var listeners []net.Listener
	if tcp != nil {
		secured, err := s.secure(tcp)
		if err != nil {
			return err
		}
		listeners = append(listeners, secured)
		where := s.options.URL
		if where == "" {
			where = announcedURL(tcp.Addr())
		}
		s.url.Store(&where)
	}
	if unix != nil {
		listeners = append(listeners, unix)
	}
	var work sync.WaitGroup
	work.Go(func() { s.Run(ctx) })
	if tcp != nil {
		work.Go(func() { s.announce(ctx) })
	}
	err := s.serveAll(ctx, listeners)
	cancel()
	work.Wait()
	return err
}

// Run does what goes on beside the requests: it follows the feed, for the kubelets' streams and the
// watchers. It ends with ctx, and all streams, watchers and sessions with it.
func (s *Server) Run(ctx context.Context) {
	defer s.endLife()
	defer s.streams.endAll(api.Errorf(api.CodeUnavailable, "the server is shutting down"))
	var work sync.WaitGroup
	defer work.Wait()
	work.Go(func() { s.hub.Run(ctx) })
	follow := sync.OnceFunc(func() { close(s.following) })
	for ctx.Err() == nil {
		sub, err := s.hub.Subscribe(ctx)
		if err != nil {
			continue // only at the end, or after a wait for the database
		}
		// What was missed before this subscription the welcomes tell.
		s.policy.clear()
		s.streams.endAll(api.Errorf(api.CodeUnavailable, "the server follows the feed anew; connect again"))
		follow()
		s.streams.run(ctx, sub)
		sub.Close()
	}
}

func (s *Server) serveAll(ctx context.Context, listeners []net.Listener) error {
	server := &http.Server{
		Handler:           s.Handler(),
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    headerMax,
		ConnContext:       authn.ConnContext,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	failed := make(chan error, len(listeners))
	for _, l := range listeners {
		s.log.InfoContext(ctx, "listening", slog.String("network", l.Addr().Network()),
			slog.String("address", l.Addr().String()))
		go func() { failed <- server.Serve(l) }()
	}
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	s.endLife() // streams, watchers and sessions would outlast any patience
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer cancel()
	if shutErr := server.Shutdown(stop); shutErr != nil {
		server.Close() //nolint:errcheck // patience is over
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// secure wraps the TCP listener in TLS, with a certificate for the names that it can be reached by.
func (s *Server) secure(tcp net.Listener) (net.Listener, error) {
	a := s.options.Authority
	if a == nil {
		return nil, api.Errorf(api.CodeInvalid,
			"a network listener needs the cluster's authority: plain TCP is never served")
	}
	leaf, err := a.ServerLeaf(s.options.ServerID, serverHosts(s.options.URL, tcp.Addr()), s.clock.Now())
	if err != nil {
		return nil, err
	}
	s.peers.Store(&http.Client{Transport: &http.Transport{
		TLSClientConfig:     a.ClientTLS(leaf),
		TLSHandshakeTimeout: headerTimeout,
	}})
	return tls.NewListener(tcp, a.ServerTLS(leaf)), nil
}

// serverHosts are the names and addresses of this server: those of its URL, of its listener, of the
// machine, and of the machine's interfaces if it listens on all.
func serverHosts(serverURL string, address net.Addr) []string {
	hosts := []string{"localhost", "127.0.0.1", "::1"}
	add := func(host string) {
		if host != "" && !contains(hosts, host) {
			hosts = append(hosts, host)
		}
	}
	if u, err := url.Parse(serverURL); err == nil {
		add(u.Hostname())
	}
	if name, err := os.Hostname(); err == nil {
		add(name)
	}
	if tcp, ok := address.(*net.TCPAddr); ok && !tcp.IP.IsUnspecified() {
		add(tcp.IP.String())
		return hosts
	}
	interfaces, err := net.InterfaceAddrs()
	if err != nil {
		return hosts
	}
	for _, a := range interfaces {
		if ip, ok := a.(*net.IPNet); ok {
			add(ip.IP.String())
		}
	}
	return hosts
}

// announce shows the other servers where this one is, until ctx ends.
func (s *Server) announce(ctx context.Context) {
	timer := s.clock.NewTimer(0)
	defer timer.Stop()
	announced := false
	for {
		select {
		case <-ctx.Done():
			s.withdraw(ctx)
			return
		case <-timer.C:
		}
		err := s.beat(ctx, *s.url.Load(), announced)
		announced = err == nil
		if err == nil {
			err = s.lookAround(ctx)
		}
		if err != nil && ctx.Err() == nil {
			s.log.DebugContext(ctx, "announce the server", slog.Any("error", err))
		}
		timer.Reset(announceInterval)
	}
}

func (s *Server) beat(ctx context.Context, where string, announced bool) error {
	if announced {
		return s.store.BeatServer(ctx, s.options.ServerID)
	}
	return s.store.PutServer(ctx, s.options.ServerID, where, s.options.Version, s.clock.Now())
}
