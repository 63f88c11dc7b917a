package apiserver

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/coder/websocket"

	"github.com/coxswain-hpc/coxswain/api"
)

const (
	// forwardTries bounds the servers that are asked for a node's stream.
	forwardTries = 16
	// forwardTimeout bounds asking one of them.
	forwardTimeout = 5 * time.Second
)

// forwardRequest is the first message of a server that looks for the server with a node's stream. The
// answer is a forwardAnswer; then the frames of the session follow, both ways.
type forwardRequest struct {
	Node    string             `json:"node"`
	Request api.SessionRequest `json:"request"`
	Pod     api.PodAssignment  `json:"pod"`
	Ended   bool               `json:"ended"`
}

// forwardAnswer says whether the session has begun; with Absent the node's stream is elsewhere.
type forwardAnswer struct {
	Absent bool       `json:"absent,omitempty"`
	Error  *api.Error `json:"error,omitempty"`
}

// forward looks among the other servers for the one that has the node's stream, and has it begin the
// session.
func (b *sessionBroker) forward(
	ctx context.Context, request api.SessionRequest, pod api.NodeAssignment,
) (*kubeletSocket, error) {
	s := b.server
	missing := api.Errorf(api.CodeUnavailable, "node %s is not connected to any server; try again later",
		pod.Node)
	if s.peers.Load() == nil {
		return nil, missing
	}
	servers, err := s.store.ListServers(ctx)
	if err != nil {
		return nil, err
	}
	tries := 0
	for _, other := range servers {
		if other.ID == s.options.ServerID || tries >= forwardTries || s.roster.silent(other.ID, s.clock.Boot()) {
			continue
		}
		tries++
		conn, err := s.askServer(ctx, other.URL, forwardRequest{
			Node: pod.Node, Request: request, Pod: pod.PodAssignment, Ended: pod.Released,
		})
		if err != nil {
			s.log.DebugContext(ctx, "ask another server for a node", slog.String("server", other.ID),
				slog.Any("error", err))
			if code := api.CodeOf(err); code != api.CodeInternal && code != api.CodeNotFound {
				return nil, err
			}
			continue
		}
		return &kubeletSocket{conn: conn, done: make(chan struct{})}, nil
	}
	return nil, missing
}

// askServer dials one server. api.CodeNotFound means that the node's stream is not there; a server
// that can't be reached is a foreign error.
func (s *Server) askServer(ctx context.Context, url string, request forwardRequest) (*websocket.Conn, error) {
	ask, cancel := context.WithTimeout(ctx, forwardTimeout)
	defer cancel()
	target := "wss" + strings.TrimPrefix(url, "https") + "/v1/servers/sessions"
	options := &websocket.DialOptions{HTTPClient: s.peers.Load()}
	conn, _, err := websocket.Dial(ask, target, options) //nolint:bodyclose // Dial sees to it
	if err != nil {
		return nil, err
	}
	conn.SetReadLimit(frameMax)
	begin, cancelBegin := context.WithTimeout(ctx, sessionDialMax+forwardTimeout)
	defer cancelBegin()
	var answer forwardAnswer
	if err = writeMessage(begin, conn, request); err == nil {
		err = readMessage(begin, conn, &answer)
	}
	switch {
	case err != nil:
	case answer.Absent:
		err = api.ErrNotFound
	case answer.Error != nil:
		err = answer.Error
	default:
		return conn, nil
	}
	conn.CloseNow() //nolint:errcheck // it ends either way
	return nil, err
}

// serverSession serves another server that looks for a node.
func (s *Server) serverSession(w http.ResponseWriter, r *http.Request) error {
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		return nil
	}
	defer conn.CloseNow()            //nolint:errcheck // it ends either way
	conn.SetReadLimit(submitBodyMax) // a source carries the job's payload
	ctx, end := context.WithCancelCause(s.life)
	defer end(nil)
	var request forwardRequest
	hello, cancel := context.WithTimeout(ctx, forwardTimeout)
	err = readMessage(hello, conn, &request)
	cancel()
	if err != nil {
		return nil
	}
	if err := s.serveForward(ctx, conn, end, request); err == nil {
		conn.Close(websocket.StatusNormalClosure, "") //nolint:errcheck // it ends either way
	}
	return nil
}

func (s *Server) serveForward(
	ctx context.Context, conn *websocket.Conn, end context.CancelCauseFunc, request forwardRequest,
) error {
	if s.streams.find(request.Node) == nil {
		return writeMessage(ctx, conn, forwardAnswer{Absent: true})
	}
	pod := api.NodeAssignment{Node: request.Node, Released: request.Ended, PodAssignment: request.Pod}
	kubelet, err := s.sessions.openHere(ctx, request.Request, pod)
	if err != nil {
		p := problemOf(err)
		return writeMessage(ctx, conn, forwardAnswer{Error: &api.Error{Code: p.Code, Message: p.Detail}})
	}
	defer close(kubelet.done)
	if err := writeMessage(ctx, conn, forwardAnswer{}); err != nil {
		return err
	}
	user := &userSocket{conn: conn, frames: make(chan []byte, framesMax)}
	go user.readFrames(ctx, end)
	go user.pings(ctx, s, end)
	return user.pump(ctx, kubelet.conn)
}

func writeMessage(ctx context.Context, conn *websocket.Conn, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return api.Errorf(api.CodeInternal, "encode a message between servers: %w", err)
	}
	return writeFrame(ctx, conn, data)
}

func readMessage(ctx context.Context, conn *websocket.Conn, v any) error {
	_, data, err := conn.Read(ctx)
	if err != nil {
		return err
	}
	return json.Unmarshal(data, v)
}
