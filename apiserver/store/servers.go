package store

import (
	"context"
	"time"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/apiserver/store/internal/db"
)

// serversMax bounds the servers that are listed.
const serversMax = 1000

// Server is an API server that others can reach. Beat rises while it lives.
type Server struct {
	ID        string
	URL       string
	Version   string
	StartedAt time.Time
	Beat      int64
}

// PutServer announces a server.
func (s *Store) PutServer(ctx context.Context, id, url, version string, now time.Time) error {
	err := s.q.PutServer(ctx, db.PutServerParams{ID: id, URL: url, Version: version, StartedAt: instant(now)})
	return interpretError("announce the server", err)
}

// BeatServer shows that the server lives; CodeNotFound when it has to announce itself again.
func (s *Store) BeatServer(ctx context.Context, id string) error {
	n, err := s.q.BeatServer(ctx, id)
	if err == nil && n == 0 {
		return api.Errorf(api.CodeNotFound, "there is no server %s", id)
	}
	return interpretError("show that the server lives", err)
}

// ListServers reads all announced servers, the youngest first.
func (s *Store) ListServers(ctx context.Context) ([]Server, error) {
	rows, err := s.q.ListServers(ctx, serversMax)
	if err != nil {
		return nil, interpretError("list servers", err)
	}
	out := make([]Server, len(rows))
	for i, r := range rows {
		out[i] = Server{ID: r.ID, URL: r.URL, Version: r.Version, StartedAt: r.StartedAt, Beat: r.Beat}
	}
	return out, nil
}

// DeleteServer withdraws a server.
func (s *Store) DeleteServer(ctx context.Context, id string) error {
	return interpretError("withdraw the server", s.q.DeleteServer(ctx, id))
}
