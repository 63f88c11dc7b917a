package apiserver_test

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/api/client"
	"github.com/coxswain-hpc/coxswain/apiserver"
	"github.com/coxswain-hpc/coxswain/apiserver/authn"
)

// TestAStreamWaitsForAServerThatStarts: a server that answers already but does not follow the feed yet
// keeps a kubelet waiting, where it once let it in and threw it out again.
func TestAStreamWaitsForAServerThatStarts(t *testing.T) {
	t.Parallel()
	b := setup(t)
	credentials, err := client.Join(within(t), "https://"+b.address, b.joinToken(), "n1")
	require.NoError(t, err)
	late, err := apiserver.New(apiserver.Options{
		Store: b.store, Authority: b.authority, Names: people, Logger: slog.New(slog.DiscardHandler),
		ClusterName: "test", ServerID: "s2",
	})
	require.NoError(t, err)
	o := &bundle{t: t, store: b.store, authority: b.authority, server: late, address: listenOnly(t, b, late)}

	s := o.dial(o.kubelet(credentials), "n1", "boot1")
	welcomed := make(chan api.ServerMessage, 1)
	go func() {
		defer close(welcomed)
		if m, err := s.Receive(within(t)); err == nil {
			welcomed <- m
		}
	}()
	select {
	case m := <-welcomed:
		require.Fail(t, "the server can't keep this stream", "%+v", m)
	case <-time.After(100 * time.Millisecond):
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		late.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	require.NotNil(t, (<-welcomed).Welcome)
	s.send(api.KubeletMessage{Renew: &api.KubeletRenew{Seq: 1, BootID: "boot1"}})
	require.EqualValues(t, 1, s.receive().RenewAck, "the stream stays")
}

// listenOnly serves a server's requests over TLS, and runs nothing beside them.
func listenOnly(t *testing.T, b *bundle, s *apiserver.Server) string {
	t.Helper()
	leaf, err := b.authority.ServerLeaf("s2", []string{"127.0.0.1"}, time.Now())
	require.NoError(t, err)
	l, err := tls.Listen("tcp", "127.0.0.1:0", b.authority.ServerTLS(leaf))
	require.NoError(t, err)
	server := &http.Server{Handler: s.Handler(), ConnContext: authn.ConnContext}
	go server.Serve(l)                   //nolint:errcheck // it ends with Close
	t.Cleanup(func() { server.Close() }) //nolint:errcheck // a test's
	return l.Addr().String()
}
