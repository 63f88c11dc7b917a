package apiserver_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/apiserver"
	"github.com/coxswain-hpc/coxswain/apiserver/authn"
	"github.com/coxswain-hpc/coxswain/apiserver/authority"
	"github.com/coxswain-hpc/coxswain/apiserver/store"
	"github.com/coxswain-hpc/coxswain/internal/clock"
	"github.com/coxswain-hpc/coxswain/internal/pgtest"
	"github.com/coxswain-hpc/coxswain/migrations"
)

// names is a name service of four people; adminUID runs the server.
type names map[int64]string

const (
	adminUID int64 = 900
	adaUID   int64 = 2001
	bobUID   int64 = 2002
)

var people = names{0: "root", adminUID: "cox", adaUID: "ada", bobUID: "bob"}

func (n names) ByUID(_ context.Context, uid int64) (api.Identity, error) {
	if name, ok := n[uid]; ok {
		return api.Identity{
			User: name, UID: uid, GID: uid, Groups: []int64{uid}, Home: "/home/" + name,
			Shell: "/bin/bash",
		}, nil
	}
	return api.Identity{}, api.ErrNotFound
}

func (n names) ByName(ctx context.Context, name string) (api.Identity, error) {
	for uid, have := range n {
		if have == name {
			return n.ByUID(ctx, uid)
		}
	}
	return api.Identity{}, api.ErrNotFound
}

// bundle is a server on a real store.
type bundle struct {
	t         testing.TB
	store     *store.Store
	dsn       string
	authority *authority.Authority
	server    *apiserver.Server
	socket    string
	address   string
}

func newStore(t testing.TB) (*store.Store, string) {
	t.Helper()
	dsn := pgtest.New(t, migrations.Up)
	s, err := store.Open(context.Background(), store.Options{DSN: dsn, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	t.Cleanup(s.Close)
	require.NoError(t, s.Migrate(context.Background(), "test"))
	require.NoError(t, s.EnsureDefaults(context.Background(), time.Now()))
	return s, dsn
}

// setup makes a server that runs on a Unix socket and a TLS listener.
func setup(t testing.TB, change ...func(*apiserver.Options)) *bundle {
	t.Helper()
	b := &bundle{t: t}
	b.store, b.dsn = newStore(t)
	dir := t.TempDir()
	var err error
	b.authority, err = authority.Open(context.Background(), authority.Options{
		Keeper: b.store, KeyFile: filepath.Join(dir, "cluster.key"), ClusterName: "test", Now: time.Now(),
	})
	require.NoError(t, err)
	uid := adminUID
	o := apiserver.Options{
		Store: b.store, Authority: b.authority, Names: people, Logger: slog.New(slog.DiscardHandler),
		Clock:       clock.Real{},
		ClusterName: "test", ServerID: "s1", Version: "1.2.3", ServerUID: &uid,
	}
	for _, f := range change {
		f(&o)
	}
	b.server, err = apiserver.New(o)
	require.NoError(t, err)
	b.serve(dir)
	return b
}

// second is another server on the same database, with a pool of its own.
func (b *bundle) second(change ...func(*apiserver.Options)) *bundle {
	b.t.Helper()
	s, err := store.Open(context.Background(),
		store.Options{DSN: b.dsn, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(b.t, err)
	b.t.Cleanup(s.Close)
	o := &bundle{t: b.t, store: s, dsn: b.dsn, authority: b.authority}
	options := apiserver.Options{
		Store: s, Authority: b.authority, Names: people, Logger: slog.New(slog.DiscardHandler),
		ClusterName: "test", ServerID: "s2",
	}
	for _, f := range change {
		f(&options)
	}
	o.server, err = apiserver.New(options)
	require.NoError(b.t, err)
	o.serve(b.t.TempDir())
	return o
}

func (b *bundle) serve(dir string) {
	b.socket = filepath.Join(dir, "cox.sock")
	unix, err := net.Listen("unix", b.socket)
	require.NoError(b.t, err)
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(b.t, err)
	b.address = tcp.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.server.Serve(ctx, tcp, unix) }()
	b.t.Cleanup(func() {
		cancel()
		require.NoError(b.t, <-done)
	})
}

// answer is what a request got.
type answer struct {
	t      testing.TB
	status int
	header http.Header
	body   []byte
}

// as sends a request as the peer of that uid; -1 is nobody.
func (b *bundle) as(uid int64, method, path string, in any, headers ...string) answer {
	b.t.Helper()
	var body io.Reader
	switch in := in.(type) {
	case nil:
	case string:
		body = bytes.NewReader([]byte(in))
	default:
		data, err := json.Marshal(in)
		require.NoError(b.t, err)
		body = bytes.NewReader(data)
	}
	r := httptest.NewRequest(method, path, body)
	if uid >= 0 {
		r = r.WithContext(authn.WithPeer(r.Context(), authn.Peer{UID: uid}))
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	b.server.Handler().ServeHTTP(w, r)
	return answer{t: b.t, status: w.Code, header: w.Header(), body: w.Body.Bytes()}
}

// into checks the status and decodes the body.
func (a answer) into(status int, v any) {
	a.t.Helper()
	require.Equal(a.t, status, a.status, "%s", a.body)
	if v != nil {
		require.NoError(a.t, json.Unmarshal(a.body, v))
	}
}

// problem checks that the answer is a problem with that code, and returns it.
func (a answer) problem(code api.Code) apiserver.Problem {
	a.t.Helper()
	var p apiserver.Problem
	require.NoError(a.t, json.Unmarshal(a.body, &p), "%s", a.body)
	require.Equal(a.t, code, p.Code, "%s", a.body)
	require.Equal(a.t, "application/problem+json", a.header.Get("Content-Type"))
	require.Equal(a.t, a.status, p.Status)
	require.NotEmpty(a.t, p.Detail)
	return p
}

// script is the smallest request that is accepted.
func script() api.JobSubmit {
	return api.JobSubmit{
		Spec: api.JobSpec{
			Roles: []api.Role{{Template: api.PodTemplate{Containers: []api.Container{{Main: true}}}}},
		},
		Payload: api.Payload{Script: []byte("#!/bin/sh\ntrue\n"), Environment: []string{"PATH=/bin", "KEY=secret"}},
	}
}

func (b *bundle) submit(uid int64, change ...func(*api.JobSubmit)) api.Job {
	b.t.Helper()
	in := script()
	for _, f := range change {
		f(&in)
	}
	var job api.Job
	b.as(uid, http.MethodPost, "/v1/jobs", in).into(http.StatusCreated, &job)
	return job
}

func path(id api.JobID, rest string) string { return "/v1/jobs/" + id.String() + rest }
