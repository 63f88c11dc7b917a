package apiserver

import (
	"context"
	"net/http"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/apiserver/authn"
)

// whoami is how the server knows the caller.
type whoami struct {
	User     string       `json:"user"`
	UID      int64        `json:"uid"`
	Admin    bool         `json:"admin"`
	Accounts []string     `json:"accounts"`
	Method   string       `json:"method" doc:"How the caller proved it: socket or token"`
	Identity api.Identity `json:"identity"`
}

// version is what a server is.
type version struct {
	Version string `json:"version"`
	Cluster string `json:"cluster"`
	Server  string `json:"server"`
	Leading bool   `json:"leading"`
}

func (s *Server) identityOperations() {
	handle(s, operation("whoami", http.MethodGet, "/v1/whoami", "Say who the caller is"), s.whoami)
	handle(s, operation("version", http.MethodGet, "/v1/version", "Say which server this is"),
		func(context.Context, *nothing) (*reply[version], error) {
			o := s.options
			return ok(version{
				Version: o.Version, Cluster: o.ClusterName, Server: o.ServerID,
				Leading: o.Leading(),
			}, nil)
		})
}

func (s *Server) whoami(ctx context.Context, _ *nothing) (*reply[whoami], error) {
	c := authn.CallerOf(ctx)
	method := "token"
	if _, local := authn.PeerOf(ctx); local {
		method = "socket"
	}
	return ok(whoami{
		User: c.Identity.User, UID: c.Identity.UID, Admin: c.Admin, Accounts: c.User.Spec.Accounts, Method: method,
		Identity: c.Identity,
	}, nil)
}

func (s *Server) healthz(w http.ResponseWriter, _ *http.Request) error {
	_, err := w.Write([]byte("ok\n"))
	return err
}

func (s *Server) readyz(w http.ResponseWriter, r *http.Request) error {
	if err := s.store.Ping(r.Context()); err != nil {
		return err
	}
	_, err := w.Write([]byte("ok\n"))
	return err
}
