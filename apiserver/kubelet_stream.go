package apiserver

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/coder/websocket"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/apiserver/authn"
	"github.com/coxswain-hpc/coxswain/apiserver/store"
	"github.com/coxswain-hpc/coxswain/apiserver/stream"
)

const (
	// kubeletMessageMax bounds a kubelet's message: a full report with usage and messages.
	kubeletMessageMax = 8 << 20
	// streamSilenceMax ends a stream on which nothing was heard; a kubelet renews every 10 s.
	streamSilenceMax = time.Minute
	// streamWriteMax bounds writing one message to a kubelet.
	streamWriteMax = 30 * time.Second
	// streamStoreMax bounds what one message asks of the store.
	streamStoreMax = 30 * time.Second
)

// streamStore is the store as one kubelet's session sees it: renewals share statements, and only the
// holder of a good certificate registers.
type streamStore struct {
	*store.Store
	renewals  *renewals
	enrolment string
}

// RegisterNode implements stream.Store.
func (s streamStore) RegisterNode(
	ctx context.Context, name string, status api.NodeStatus, now time.Time,
) (api.Node, error) {
	return s.RegisterEnrolled(ctx, name, s.enrolment, status, now)
}

// RenewLeases implements stream.Store.
func (s streamStore) RenewLeases(ctx context.Context, leases []api.Lease) error {
	return s.renewals.RenewLeases(ctx, leases)
}

// kubeletConn is one open control stream: a reader and a writer around one session. Whoever holds
// mu may use the session and write what it answers, so that messages go out in the session's order.
type kubeletConn struct {
	server  *Server
	conn    *websocket.Conn
	mu      sync.Mutex
	session *stream.Session
	stream  *nodeStream
}

func (s *Server) kubeletStream(w http.ResponseWriter, r *http.Request) error {
	caller := authn.CallerOf(r.Context())
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		return nil
	}
	conn.SetReadLimit(kubeletMessageMax)
	ctx, end := context.WithCancelCause(s.life)
	defer end(nil)
	k := &kubeletConn{server: s, conn: conn}
	err = k.serve(ctx, end, caller)
	k.close(r.Context(), err)
	s.log.InfoContext(r.Context(), "kubelet stream ended", slog.String("node", caller.Node), slog.Any("error", err))
	return nil
}

// close tells the kubelet why, if it still listens; that ctx may be over doesn't matter.
func (k *kubeletConn) close(ctx context.Context, err error) {
	if e, ok := errors.AsType[*api.Error](err); ok {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		k.write(ctx, api.ServerMessage{Error: e})                   //nolint:errcheck // it ends either way
		k.conn.Close(websocket.StatusTryAgainLater, string(e.Code)) //nolint:errcheck // it ends either way
	}
	k.conn.CloseNow() //nolint:errcheck // it ends either way
}

// serve opens the session and runs reader and writer until one of them ends.
func (k *kubeletConn) serve(ctx context.Context, end context.CancelCauseFunc, caller authn.Caller) error {
	node := caller.Node
	hello, err := k.hello(ctx)
	if err != nil {
		return err
	}
	if err := stream.CheckHello(node, hello); err != nil {
		return err
	}
	if err := k.server.awaitFeed(ctx); err != nil {
		return err
	}
	k.stream = newNodeStream(node, hello.Status.BootID, k.conn, end)
	k.stream.enrolment = caller.Enrolment
	if err := k.server.streams.add(ctx, k.stream); err != nil {
		return err
	}
	defer k.server.streams.remove(k.stream, errStreamOver)
	if err := k.open(ctx, node, hello); err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx) // what the kubelet must hear
		}
		return err
	}
	// Reading goes on until the connection is closed, not until ctx ends: a reader that is cut short
	// breaks the connection, and the kubelet would never hear why.
	done := make(chan struct{})
	go func() {
		defer close(done)
		end(k.writer(ctx))
		k.close(ctx, context.Cause(ctx))
	}()
	end(k.reader(context.WithoutCancel(ctx)))
	<-done
	return context.Cause(ctx)
}

// awaitFeed waits until the server follows the feed: a stream that is older would have to end then, since
// it may have missed a change.
func (s *Server) awaitFeed(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, streamStoreMax,
		api.Errorf(api.CodeUnavailable, "the server can't follow the database's changes yet; connect again"))
	defer cancel()
	select {
	case <-s.following:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

var errStreamOver = errors.New("the stream is over")

func (k *kubeletConn) hello(ctx context.Context) (api.KubeletHello, error) {
	m, err := k.read(ctx)
	if err != nil {
		return api.KubeletHello{}, err
	}
	if m.Hello == nil {
		return api.KubeletHello{}, api.Errorf(api.CodeInvalid,
			"the first message of a stream must be a hello")
	}
	return *m.Hello, nil
}

// open sends the welcome. The stream is registered before the pods are read and opened after, so
// that no change falls between.
func (k *kubeletConn) open(ctx context.Context, node string, hello api.KubeletHello) error {
	storeCtx, cancel := context.WithTimeout(ctx, streamStoreMax)
	defer cancel()
	meta, err := k.server.store.Meta(storeCtx)
	if err != nil {
		return err
	}
	k.session = stream.New(stream.Options{
		Store: streamStore{k.server.store, k.server.renewals, k.stream.enrolment}, Node: node,
		Epoch: meta.Epoch, Now: k.server.clock.Now,
	})
	welcome, err := k.session.Open(storeCtx, hello)
	if err != nil {
		return err
	}
	if err := k.write(context.WithoutCancel(ctx), welcome); err != nil { // as reading: see serve
		return err
	}
	k.server.streams.open(k.stream)
	k.server.log.InfoContext(ctx, "kubelet connected", slog.String("node", node),
		slog.Int("pods", len(welcome.Welcome.Pods)))
	return nil
}

func (k *kubeletConn) reader(ctx context.Context) error {
	for {
		m, err := k.read(ctx)
		if err != nil {
			return err
		}
		err = k.step(ctx,
			func(ctx context.Context) ([]api.ServerMessage, error) { return k.session.Receive(ctx, m) })
		if err != nil {
			return err
		}
	}
}

// step uses the session and sends its answers.
func (k *kubeletConn) step(ctx context.Context, use func(context.Context) ([]api.ServerMessage, error)) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	storeCtx, cancel := context.WithTimeout(ctx, streamStoreMax)
	messages, err := use(storeCtx)
	cancel()
	if err != nil {
		return err
	}
	for _, m := range messages {
		if err := k.write(ctx, m); err != nil {
			return err
		}
	}
	return nil
}

func (k *kubeletConn) writer(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-k.stream.wake:
		}
		news := k.stream.take()
		if err := k.step(ctx,
			func(ctx context.Context) ([]api.ServerMessage, error) { return k.tell(ctx, news) }); err != nil {
			return err
		}
	}
}

// tell turns news into messages: pods first, then signals and sessions that may be about them.
func (k *kubeletConn) tell(ctx context.Context, news streamNews) ([]api.ServerMessage, error) {
	var pods []api.PodAssignment
	var removed []api.PodKey
	add := func(a api.NodeAssignment) {
		if a.Released {
			removed = append(removed, a.Key)
		} else {
			pods = append(pods, a.PodAssignment)
		}
	}
	for key, a := range news.pods {
		if !news.dirty[key] {
			add(a)
		}
	}
	if len(news.dirty) > 0 {
		fresh, err := k.server.store.Assignments(ctx, keysOf(news.dirty))
		if err != nil {
			return nil, err
		}
		for _, a := range fresh {
			add(a)
		}
	}
	messages, err := k.session.Changed(ctx, pods, removed)
	if err != nil {
		return nil, err
	}
	if news.signals {
		signals, err := k.session.Signals(ctx)
		if err != nil {
			return nil, err
		}
		messages = append(messages, signals...)
	}
	for _, r := range news.sessions {
		messages = append(messages, api.ServerMessage{Session: &r})
	}
	return messages, nil
}

func keysOf[K comparable, V any](m map[K]V) []K {
	keys := make([]K, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	return keys
}

func (k *kubeletConn) read(ctx context.Context) (api.KubeletMessage, error) {
	ctx, cancel := context.WithTimeout(ctx, streamSilenceMax)
	defer cancel()
	var m api.KubeletMessage
	_, data, err := k.conn.Read(ctx)
	if err != nil {
		return m, err
	}
	if err := json.Unmarshal(data, &m); err != nil {
		return m, api.Errorf(api.CodeInvalid, "the kubelet's message can't be read: %w", err)
	}
	return m, nil
}

func (k *kubeletConn) write(ctx context.Context, m api.ServerMessage) error {
	data, err := json.Marshal(m)
	if err != nil {
		return api.Errorf(api.CodeInternal, "encode a message to the kubelet: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, streamWriteMax)
	defer cancel()
	return k.conn.Write(ctx, websocket.MessageText, data)
}
