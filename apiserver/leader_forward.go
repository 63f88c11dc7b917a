package apiserver

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/coxswain-hpc/coxswain/api"
)

// What only the leader knows (why something waits, whether a node could ever run a job) a server that
// does not lead asks the leader's server for, over mutual TLS.

const (
	// leaderAskMax bounds one question to the leader's server; a submit waits for it.
	leaderAskMax = 3 * time.Second
	// leaderTTL is how long it is remembered where the leader is.
	leaderTTL = 2 * time.Second
	// leaderAnswerMax bounds its answer.
	leaderAnswerMax = 4 << 20
)

// errNoLeaderServer: the question can't be asked now. It is no error of the request.
var errNoLeaderServer = api.Errorf(api.CodeNotLeader, "no other server is known to lead now")

// leaderPlace remembers where the leader is.
type leaderPlace struct {
	mu    sync.Mutex
	url   string
	until time.Duration // boot time
}

type serverExplainInput struct {
	ID    int64 `path:"id"`
	Index int64 `query:"index"`
}

type feasibleInput struct{ body[api.JobSpec] }

func (s *Server) serverOperations() {
	handle(s, operation("server-explain", http.MethodGet, "/v1/servers/explain/{id}",
		"Another server asks the leader why a job waits"),
		func(ctx context.Context, in *serverExplainInput) (*reply[api.Explanation], error) {
			if s.options.Explainer == nil {
				return nil, errNoLeaderServer
			}
			return ok(s.options.Explainer.Explain(ctx, api.JobID(in.ID), in.Index))
		})
	handle(s, operation("server-feasible", http.MethodPost, "/v1/servers/feasible",
		"Another server asks the leader whether a node could ever run a job"),
		func(ctx context.Context, in *feasibleInput) (*nothing, error) {
			spec, err := in.decode()
			if err != nil {
				return nil, err
			}
			if s.options.Feasibility == nil || !s.options.Leading() {
				return nil, errNoLeaderServer
			}
			return done(s.options.Feasibility.CheckFeasible(ctx, spec))
		})
}

// explain asks this server's own leader, else the leader's server.
func (s *Server) explain(ctx context.Context, id api.JobID, index int64) (api.Explanation, error) {
	e, err := s.options.Explainer.Explain(ctx, id, index)
	if api.CodeOf(err) != api.CodeNotLeader {
		return e, err
	}
	q := url.Values{"index": {strconv.FormatInt(index, 10)}}
	err = s.askLeader(ctx, http.MethodGet, "/v1/servers/explain/"+id.String()+"?"+q.Encode(), nil, &e)
	return e, err
}

// checkFeasible refuses a job that no node of today could ever run. While nobody leads every job
// passes: the leader then says why it waits.
func (s *Server) checkFeasible(ctx context.Context, spec api.JobSpec) error {
	if s.options.Feasibility == nil {
		return nil
	}
	err := s.options.Feasibility.CheckFeasible(ctx, spec)
	if err != nil || s.options.Leading() {
		return err
	}
	err = s.askLeader(ctx, http.MethodPost, "/v1/servers/feasible", spec, nil)
	if api.CodeOf(err) == api.CodeImpossible {
		return err
	}
	return nil
}

// askLeader sends one request to the leader's server. api.CodeNotLeader means that there was nobody
// to ask.
func (s *Server) askLeader(ctx context.Context, method, path string, in, out any) error {
	ctx, cancel := context.WithTimeout(ctx, leaderAskMax)
	defer cancel()
	peers := s.peers.Load()
	where, err := s.leaderURL(ctx)
	if peers == nil || err != nil || where == "" {
		return errNoLeaderServer
	}
	data, err := json.Marshal(in)
	if err != nil {
		return api.Errorf(api.CodeInternal, "encode a question to the leader: %w", err)
	}
	r, err := http.NewRequestWithContext(ctx, method, where+path, bytes.NewReader(data))
	if err != nil {
		return api.Errorf(api.CodeInternal, "make a question to the leader: %w", err)
	}
	r.Header.Set("Content-Type", "application/json")
	answer, err := peers.Do(r)
	if err != nil {
		s.log.DebugContext(ctx, "ask the leader's server", slog.String("url", where), slog.Any("error", err))
		return errNoLeaderServer
	}
	defer answer.Body.Close() //nolint:errcheck // it was only read
	return readAnswer(answer, out)
}

func readAnswer(answer *http.Response, out any) error {
	data, err := io.ReadAll(io.LimitReader(answer.Body, leaderAnswerMax))
	if err != nil {
		return errNoLeaderServer
	}
	if answer.StatusCode >= http.StatusBadRequest {
		var p Problem
		if json.Unmarshal(data, &p) != nil || p.Code == "" {
			return errNoLeaderServer
		}
		return &api.Error{Code: p.Code, Message: p.Detail, Fields: p.Fields}
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(data, out); err != nil {
		return api.Errorf(api.CodeInternal, "read the leader's answer: %w", err)
	}
	return nil
}

// leaderURL is where the server that leads is reached; empty if that is not known, or is this one.
func (s *Server) leaderURL(ctx context.Context) (string, error) {
	s.leader.mu.Lock()
	defer s.leader.mu.Unlock()
	if s.clock.Boot() < s.leader.until {
		return s.leader.url, nil
	}
	row, err := s.store.Leader(ctx)
	if err != nil {
		return "", err
	}
	servers, err := s.store.ListServers(ctx)
	if err != nil {
		return "", err
	}
	s.leader.url, s.leader.until = "", s.clock.Boot()+leaderTTL
	// A holder is the id of a server and, behind a slash, which run of it.
	holder, _, _ := strings.Cut(row.Holder, "/")
	for _, other := range servers {
		if other.ID == holder && other.ID != s.options.ServerID {
			s.leader.url = other.URL
		}
	}
	return s.leader.url, nil
}
