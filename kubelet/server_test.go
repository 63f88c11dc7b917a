package kubelet_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/kubelet"
)

// The server of these tests speaks the control stream as JSON lines over a unix socket: the messages
// are the real ones, and a kubelet in another process can dial it.

// patience bounds every wait; it is far above what a loaded machine needs.
const patience = 30 * time.Second

type socketDialer struct{ path string }

func (d socketDialer) dial(ctx context.Context, first any) (*jsonStream, error) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "unix", d.path)
	if err != nil {
		return nil, err
	}
	s := &jsonStream{conn: conn, in: json.NewDecoder(conn), out: json.NewEncoder(conn)}
	return s, s.out.Encode(first)
}

func (d socketDialer) Stream(ctx context.Context) (kubelet.Stream, error) {
	s, err := d.dial(ctx, "control")
	return control{s}, err
}

func (d socketDialer) Session(ctx context.Context, id string) (kubelet.Frames, error) {
	s, err := d.dial(ctx, id)
	return frames{s}, err
}

type jsonStream struct {
	conn net.Conn
	in   *json.Decoder
	out  *json.Encoder
}

func (s *jsonStream) receive(ctx context.Context, into any) error {
	stop := context.AfterFunc(ctx, func() { _ = s.conn.Close() })
	defer stop()
	return s.in.Decode(into)
}

func (s *jsonStream) Finish() { s.Close() } // a unix socket loses nothing

func (s *jsonStream) Close() { _ = s.conn.Close() }

type control struct{ *jsonStream }

func (c control) Send(_ context.Context, m api.KubeletMessage) error { return c.out.Encode(m) }

func (c control) Receive(ctx context.Context) (m api.ServerMessage, err error) {
	return m, c.receive(ctx, &m)
}

type frames struct{ *jsonStream }

func (f frames) Send(_ context.Context, m api.SessionFrame) error { return f.out.Encode(m) }

func (f frames) Receive(ctx context.Context) (m api.SessionFrame, err error) {
	return m, f.receive(ctx, &m)
}

// server is the other side of a kubelet: it keeps a node's pods as the store would.
type server struct {
	t        testing.TB
	listener net.Listener
	path     string

	mu    sync.Mutex
	epoch string
	// renewSeconds is long, so that a kubelet on a busy machine doesn't take a slow answer for a loss.
	renewSeconds int64
	pods         map[api.PodKey]api.PodAssignment
	templates    map[string]api.KubeletTemplate
	reports      map[api.PodKey][]api.PodReport
	statuses     []api.NodeStatus
	signals      []api.SignalResult
	renewals     int
	renewSeqs    []int64
	hellos       int
	mute         bool // acknowledge no report
	stale        map[api.PodKey]bool
	current      *jsonStream
	sessions     map[string]chan *jsonStream
	change       chan struct{}
}

func newServer(t testing.TB) *server {
	t.Helper()
	dir, err := os.MkdirTemp("", "cox-srv-") //nolint:usetesting // a socket's path is short
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	s := &server{
		t: t, path: filepath.Join(dir, "s"), epoch: "e1", renewSeconds: 10, pods: map[api.PodKey]api.PodAssignment{},
		templates: map[string]api.KubeletTemplate{}, reports: map[api.PodKey][]api.PodReport{},
		stale: map[api.PodKey]bool{}, sessions: map[string]chan *jsonStream{}, change: make(chan struct{}),
	}
	s.listener, err = net.Listen("unix", s.path)
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.listener.Close() })
	go s.accept()
	return s
}

func (s *server) accept() {
	for {
		conn, err := s.listener.Accept()
		if err != nil {
			return
		}
		stream := &jsonStream{conn: conn, in: json.NewDecoder(conn), out: json.NewEncoder(conn)}
		go s.serve(stream)
	}
}

func (s *server) serve(stream *jsonStream) {
	var kind string
	if stream.in.Decode(&kind) != nil {
		return
	}
	if kind != "control" {
		s.mu.Lock()
		waiting := s.sessions[kind]
		s.mu.Unlock()
		waiting <- stream
		return
	}
	defer stream.Close()
	for {
		var m api.KubeletMessage
		if err := stream.in.Decode(&m); err != nil {
			return
		}
		if s.answer(stream, m) != nil {
			return
		}
	}
}

// answer writes under the lock, so that nothing is pushed before a welcome.
func (s *server) answer(stream *jsonStream, m api.KubeletMessage) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.news()
	for _, answer := range s.answers(stream, m) {
		if err := stream.out.Encode(answer); err != nil {
			return err
		}
	}
	return nil
}

// answers does what the server's session code does, on a map in place of the store.
func (s *server) answers(stream *jsonStream, m api.KubeletMessage) []api.ServerMessage {
	switch {
	case m.Hello != nil:
		s.hellos++
		s.statuses = append(s.statuses, m.Hello.Status)
		s.current = stream
		w := &api.ServerWelcome{Protocol: api.KubeletProtocol, Epoch: s.epoch, RenewSeconds: s.renewSeconds}
		for _, p := range s.pods {
			w.Pods = append(w.Pods, p)
		}
		return []api.ServerMessage{{Welcome: w}}
	case m.Renew != nil:
		s.renewals++
		s.renewSeqs = append(s.renewSeqs, m.Renew.Seq)
		return []api.ServerMessage{{RenewAck: m.Renew.Seq}}
	case m.Fetch != nil:
		var out api.ServerMessage
		for _, name := range m.Fetch.Templates {
			out.Templates = append(out.Templates, s.templates[name])
		}
		return []api.ServerMessage{out}
	case m.Report != nil:
		return s.report(*m.Report)
	case m.Node != nil:
		s.statuses = append(s.statuses, *m.Node)
	}
	s.signals = append(s.signals, m.Signals...)
	return nil
}

func (s *server) report(r api.KubeletReport) []api.ServerMessage {
	answer := api.ServerMessage{ReportAck: r.Seq}
	for _, p := range r.Pods {
		s.reports[p.Key] = append(s.reports[p.Key], p)
		if s.stale[p.Key] {
			answer.Stale = append(answer.Stale, p.Key)
			continue
		}
		if a, ok := s.pods[p.Key]; ok && !s.mute {
			a.State = p.State
			s.pods[p.Key] = a
		}
	}
	if s.mute {
		return nil
	}
	return []api.ServerMessage{answer}
}

func (s *server) news() {
	close(s.change)
	s.change = make(chan struct{})
}

// push sends a message on the current stream.
func (s *server) push(m api.ServerMessage) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current != nil {
		_ = s.current.out.Encode(m) // a lost stream is what some tests want
	}
}

// place gives the node a pod.
func (s *server) place(a api.PodAssignment, template api.KubeletTemplate) {
	s.mu.Lock()
	s.pods[a.Key] = a
	s.templates[template.Hash] = template
	s.mu.Unlock()
	s.push(api.ServerMessage{Pods: []api.PodAssignment{a}, Templates: []api.KubeletTemplate{template}})
}

// change alters a pod and tells the node.
func (s *server) alter(key api.PodKey, f func(*api.PodAssignment)) {
	s.mu.Lock()
	a := s.pods[key]
	f(&a)
	s.pods[key] = a
	s.mu.Unlock()
	s.push(api.ServerMessage{Pods: []api.PodAssignment{a}})
}

// release lets the node forget a pod.
func (s *server) release(key api.PodKey) {
	s.mu.Lock()
	delete(s.pods, key)
	s.mu.Unlock()
	s.push(api.ServerMessage{Removed: []api.PodKey{key}})
}

// cut ends the current stream.
func (s *server) cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.current.Close()
}

// wait waits until ok, which is called with the lock held.
func (s *server) wait(what string, ok func() bool) {
	s.t.Helper()
	deadline := time.After(patience)
	for {
		s.mu.Lock()
		done, change := ok(), s.change
		s.mu.Unlock()
		if done {
			return
		}
		select {
		case <-change:
		case <-deadline:
			s.mu.Lock()
			defer s.mu.Unlock()
			s.t.Fatalf("waited %s for: %s; reports so far: %+v", patience, what, s.reports)
		}
	}
}

// waitState waits until a pod was reported in a state, and returns that report.
func (s *server) waitState(key api.PodKey, state api.PodState) api.PodReport {
	s.t.Helper()
	var got api.PodReport
	s.wait("pod "+key.String()+" to be "+string(state), func() bool {
		for _, r := range s.reports[key] {
			if r.State == state {
				got = r
				return true
			}
		}
		return false
	})
	return got
}

// waitEnd waits for the end of a pod, whatever it is.
func (s *server) waitEnd(key api.PodKey) api.PodReport {
	s.t.Helper()
	var got api.PodReport
	s.wait("pod "+key.String()+" to end", func() bool {
		for _, r := range s.reports[key] {
			if r.State.Ended() {
				got = r
				return true
			}
		}
		return false
	})
	return got
}

// open asks the kubelet for a session and returns its stream.
func (s *server) open(r api.SessionRequest) *jsonStream {
	s.t.Helper()
	got := make(chan *jsonStream, 1)
	s.mu.Lock()
	s.sessions[r.ID] = got
	s.mu.Unlock()
	s.push(api.ServerMessage{Session: &r})
	select {
	case stream := <-got:
		s.t.Cleanup(stream.Close)
		return stream
	case <-time.After(patience):
		s.t.Fatal("the kubelet did not dial the session")
		return nil
	}
}

// readAll reads frames until the last one.
func readAll(t *testing.T, stream *jsonStream) (text string, last api.SessionFrame) {
	t.Helper()
	require.NoError(t, stream.conn.SetReadDeadline(time.Now().Add(patience)))
	for {
		var f api.SessionFrame
		err := stream.in.Decode(&f)
		if errors.Is(err, io.EOF) {
			return text, last
		}
		require.NoError(t, err, "after %q", text)
		text += string(f.Data)
		last = f
		if f.Kind == "exit" || f.Kind == "eof" || f.Kind == "error" {
			return text, last
		}
	}
}
