package apiserver

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/apiserver/watch"
)

const (
	// assignmentsMax bounds the pods of one read.
	assignmentsMax = 1000
	// routeTimeout bounds one read, rivalTimeout the question whether an older stream still lives.
	routeTimeout = 15 * time.Second
	rivalTimeout = 3 * time.Second
)

// streamRouter knows the kubelets' streams of this server, and brings them what the feed tells.
type streamRouter struct {
	server *Server

	mu      sync.Mutex
	streams map[string]*nodeStream
	// reads numbers the reads of assignments, so that a stream can tell older ones from newer.
	reads uint64
}

func newStreamRouter(s *Server) *streamRouter {
	return &streamRouter{server: s, streams: map[string]*nodeStream{}}
}

func (r *streamRouter) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.streams)
}

func (r *streamRouter) find(node string) *nodeStream {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.streams[node]
}

// add makes n the stream of its node. An older stream of the same boot is the same kubelet's, which
// lost its connection: the newer wins. One of another boot is a second machine of the same name, if
// it still answers: then the newer is refused.
func (r *streamRouter) add(ctx context.Context, n *nodeStream) error {
	for range 2 {
		rival := r.put(n)
		if rival == nil {
			return nil
		}
		ping, cancel := context.WithTimeout(ctx, rivalTimeout)
		err := rival.conn.Ping(ping)
		cancel()
		if err == nil {
			return api.Errorf(api.CodeExists,
				"another machine is connected as node %s; two kubelets can't share a name: "+
					"give this one another (--name) and join it again", n.node)
		}
		r.remove(rival, api.Errorf(api.CodeUnavailable, "the connection is dead"))
	}
	return api.Errorf(api.CodeExists, "another machine keeps connecting as node %s", n.node)
}

// put registers n and returns nil, or returns the stream that stands in its way.
func (r *streamRouter) put(n *nodeStream) *nodeStream {
	r.mu.Lock()
	defer r.mu.Unlock()
	old := r.streams[n.node]
	if old != nil && old.bootID != n.bootID {
		return old
	}
	if old != nil {
		old.end(api.Errorf(api.CodeExists, "a newer stream of node %s has taken over", n.node))
	}
	r.streams[n.node] = n
	return nil
}

func (r *streamRouter) remove(n *nodeStream, cause error) {
	r.mu.Lock()
	if r.streams[n.node] == n {
		delete(r.streams, n.node)
	}
	r.mu.Unlock()
	n.end(cause)
}

// open lets what the feed tells from now on go out to n.
func (r *streamRouter) open(n *nodeStream) {
	r.mu.Lock()
	reads := r.reads
	r.mu.Unlock()
	n.open(reads)
}

// endAll ends every stream: each kubelet connects again and is told everything.
func (r *streamRouter) endAll(cause error) {
	r.mu.Lock()
	streams := r.streams
	r.streams = map[string]*nodeStream{}
	r.mu.Unlock()
	for _, n := range streams {
		n.end(cause)
	}
}

// run follows the hub until ctx ends.
func (r *streamRouter) run(ctx context.Context, sub *watch.Subscription) {
	for {
		select {
		case <-ctx.Done():
			return
		case page, ok := <-sub.C:
			if !ok {
				return
			}
			r.server.policy.touched(page.Touched)
			if err := r.route(ctx, page.Touched); err != nil {
				r.server.log.WarnContext(ctx, "bring pods to their nodes", slog.Any("error", err))
				r.endAll(api.Errorf(api.CodeUnavailable, "the server could not read the pods; connect again"))
			}
		}
	}
}

// route brings what was touched to the streams that it concerns. Whose pods were touched only the rows
// tell: a release names no node.
func (r *streamRouter) route(ctx context.Context, t api.Touched) error {
	if r.count() == 0 {
		return nil
	}
	if len(t.Signals) > 0 {
		for _, n := range r.concerned(t.Nodes) {
			n.signals()
		}
	}
	if err := r.endDeleted(ctx, r.concerned(t.ChangedNodes)); err != nil {
		return err
	}
	return chunks(t.Pods, assignmentsMax, func(part []api.PodKey) error { return r.routePods(ctx, part) })
}

// endDeleted ends the streams of nodes that are no more: their kubelets come again, and hear why not.
func (r *streamRouter) endDeleted(ctx context.Context, streams []*nodeStream) error {
	if len(streams) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, routeTimeout)
	defer cancel()
	enrolments := map[string]string{}
	for _, n := range streams {
		enrolments[n.node] = n.enrolment
	}
	gone, err := r.server.store.NotEnrolled(ctx, enrolments)
	if err != nil {
		return err
	}
	for _, n := range streams {
		if slices.Contains(gone, n.node) {
			r.remove(n, api.Errorf(api.CodeUnauthenticated, "node %s was deleted", n.node))
		}
	}
	return nil
}

func (r *streamRouter) concerned(nodes []string) []*nodeStream {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []*nodeStream
	for _, name := range nodes {
		if n := r.streams[name]; n != nil {
			out = append(out, n)
		}
	}
	return out
}

func (r *streamRouter) routePods(ctx context.Context, keys []api.PodKey) error {
	r.mu.Lock()
	r.reads++
	read := r.reads
	r.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, routeTimeout)
	defer cancel()
	pods, err := r.server.store.Assignments(ctx, keys)
	if err != nil {
		return err
	}
	for _, p := range pods {
		if n := r.find(p.Node); n != nil && concernsNode(p) {
			n.pod(p, read)
		}
	}
	return nil
}

// concernsNode says whether a node has to hear of a pod's row: not of the end that it has reported
// itself, before that pod is released.
func concernsNode(p api.NodeAssignment) bool {
	return p.Released || !p.State.Ended() || p.State == api.PodNodeFailed
}
