package apiserver

import (
	"context"
	"sync"

	"github.com/coder/websocket"

	"github.com/coxswain-hpc/coxswain/api"
)

const (
	// pendingPodsMax bounds the changed pods that wait for one stream; a stream that is so far behind
	// ends, and the next welcome tells all.
	pendingPodsMax = 20_000
	// pendingSessionsMax bounds the session requests that wait for one stream.
	pendingSessionsMax = 256
)

// nodeStream is the server's side of one kubelet's stream: what has to go out.
type nodeStream struct {
	node   string
	bootID string
	// enrolment is what the kubelet's certificate carries.
	enrolment string
	conn      *websocket.Conn
	end       context.CancelCauseFunc
	wake      chan struct{}

	mu sync.Mutex
	// ready is set once the welcome's pod set is read; what was read before readyAt may be older than
	// the welcome, so only its keys are kept, in dirty, and read again.
	ready   bool
	readyAt uint64
	news    streamNews
}

// streamNews is what waits to go out.
type streamNews struct {
	pods     map[api.PodKey]api.NodeAssignment
	dirty    map[api.PodKey]bool
	signals  bool
	sessions []api.SessionRequest
}

func newNodeStream(node, bootID string, conn *websocket.Conn, end context.CancelCauseFunc) *nodeStream {
	return &nodeStream{node: node, bootID: bootID, conn: conn, end: end, wake: make(chan struct{}, 1)}
}

func (n *nodeStream) ring() {
	select {
	case n.wake <- struct{}{}:
	default:
	}
}

// open marks the welcome as read; reads that began at or before the given number are not trusted.
func (n *nodeStream) open(at uint64) {
	n.mu.Lock()
	n.ready, n.readyAt = true, at
	n.news.signals = true // those that wait since before the stream
	n.mu.Unlock()
	n.ring()
}

// pod adds a changed pod, as the read of the given number saw it.
func (n *nodeStream) pod(a api.NodeAssignment, read uint64) {
	n.mu.Lock()
	if n.ready && read > n.readyAt {
		n.putPod(a)
	} else {
		if n.news.dirty == nil {
			n.news.dirty = map[api.PodKey]bool{}
		}
		n.news.dirty[a.Key] = true
	}
	over := len(n.news.pods)+len(n.news.dirty) > pendingPodsMax
	n.mu.Unlock()
	if over {
		n.end(api.Errorf(api.CodeUnavailable, "the stream is too far behind; connect again"))
	}
	n.ring()
}

func (n *nodeStream) putPod(a api.NodeAssignment) {
	if n.news.pods == nil {
		n.news.pods = map[api.PodKey]api.NodeAssignment{}
	}
	n.news.pods[a.Key] = a
}

func (n *nodeStream) signals() {
	n.mu.Lock()
	n.news.signals = true
	n.mu.Unlock()
	n.ring()
}

// session adds a request, behind the pod that it is about.
func (n *nodeStream) session(r api.SessionRequest, pod api.NodeAssignment) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.news.sessions) >= pendingSessionsMax {
		return api.Errorf(api.CodeUnavailable,
			"node %s does not keep up with requests for sessions; try again later", n.node)
	}
	if n.ready && !pod.Released {
		n.putPod(pod)
	}
	n.news.sessions = append(n.news.sessions, r)
	n.ring()
	return nil
}

// take returns what waits, once the welcome is out.
func (n *nodeStream) take() streamNews {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.ready {
		return streamNews{}
	}
	news := n.news
	n.news = streamNews{}
	return news
}
