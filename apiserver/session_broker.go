package apiserver

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/coder/websocket"
	"github.com/go-chi/chi/v5"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/apiserver/authn"
)

const (
	// sessionIDBytes makes ids that can't be guessed, though only the node's own kubelet may use one.
	sessionIDBytes = 16
	// sessionDialMax is how long a kubelet may take to dial a session that it was asked for.
	sessionDialMax = 20 * time.Second
	// sessionsMax bounds the sessions of a server that wait for their kubelet.
	sessionsMax = 4096
	// frameMax bounds one frame of a session.
	frameMax = 4 << 20
)

// sessionBroker brings together the two ends of a session: the user's handler asks for the kubelet's
// socket, the kubelet's handler delivers it.
type sessionBroker struct {
	server *Server

	mu      sync.Mutex
	waiting map[string]*waitingSession
}

// waitingSession waits for the kubelet of one node.
type waitingSession struct {
	node   string
	socket chan *kubeletSocket
}

// kubeletSocket is the kubelet's end; done is closed when the session is over.
type kubeletSocket struct {
	conn *websocket.Conn
	done chan struct{}
}

func newSessionBroker(s *Server) *sessionBroker {
	return &sessionBroker{server: s, waiting: map[string]*waitingSession{}}
}

// open begins a session with the pod's node, wherever its stream is. The caller closes socket.done.
func (b *sessionBroker) open(
	ctx context.Context, request api.SessionRequest, pod api.NodeAssignment,
) (*kubeletSocket, error) {
	if b.server.streams.find(pod.Node) != nil {
		return b.openHere(ctx, request, pod)
	}
	return b.forward(ctx, request, pod)
}

// openHere asks a node whose stream is on this server, and waits for its kubelet to dial.
func (b *sessionBroker) openHere(
	ctx context.Context, request api.SessionRequest, pod api.NodeAssignment,
) (*kubeletSocket, error) {
	stream := b.server.streams.find(pod.Node)
	if stream == nil {
		return nil, api.Errorf(api.CodeUnavailable,
			"node %s is not connected to this server; try again later", pod.Node)
	}
	id, err := authn.Random(sessionIDBytes, b.server.random)
	if err != nil {
		return nil, err
	}
	request.ID = id
	w := &waitingSession{node: pod.Node, socket: make(chan *kubeletSocket)}
	if err := b.wait(id, w); err != nil {
		return nil, err
	}
	defer b.forget(id)
	if err := stream.session(request, pod); err != nil {
		return nil, err
	}
	timer := b.server.clock.NewTimer(sessionDialMax)
	defer timer.Stop()
	select {
	case socket := <-w.socket:
		return socket, nil
	case <-timer.C:
		return nil, api.Errorf(api.CodeUnavailable, "the kubelet of node %s did not answer within %s",
			pod.Node, sessionDialMax)
	case <-ctx.Done():
		return nil, api.Errorf(api.CodeUnavailable, "the session ended before it began: %w",
			context.Cause(ctx))
	}
}

func (b *sessionBroker) wait(id string, w *waitingSession) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.waiting) >= sessionsMax {
		return api.Errorf(api.CodeUnavailable,
			"this server has too many sessions that begin; try again later")
	}
	b.waiting[id] = w
	return nil
}

func (b *sessionBroker) forget(id string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.waiting, id)
}

// find returns the session that waits under the id for this node, once.
func (b *sessionBroker) find(id, node string) (*waitingSession, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	w := b.waiting[id]
	if w == nil || w.node != node {
		return nil, api.Errorf(api.CodeNotFound, "no session %s waits for node %s", id, node)
	}
	delete(b.waiting, id)
	return w, nil
}

// kubeletSession takes the socket that a kubelet dials for a session.
func (s *Server) kubeletSession(w http.ResponseWriter, r *http.Request) error {
	waiting, err := s.sessions.find(chi.URLParam(r, "id"), authn.CallerOf(r.Context()).Node)
	if err != nil {
		return err
	}
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		return nil
	}
	defer conn.CloseNow() //nolint:errcheck // it ends either way
	conn.SetReadLimit(frameMax)
	socket := &kubeletSocket{conn: conn, done: make(chan struct{})}
	timer := s.clock.NewTimer(sessionDialMax)
	defer timer.Stop()
	select {
	case waiting.socket <- socket:
		<-socket.done
	case <-timer.C: // the user has gone
	}
	return nil
}
