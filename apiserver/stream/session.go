// Package stream is the server's half of a kubelet's control stream, without sockets: what comes in
// is a message, what goes out is a list of messages. The WebSocket handler is a thin shell around
// it, and the simulator runs the very same code.
//
// Words. A session is one stream of one node, from its hello to its end. The welcome carries the
// node's whole pod set; after it only changes go out. A template is what all pods of a role share;
// it goes out once in a session, before or with the first pod that needs it. A message is
// acknowledged only after what it says is stored.
//
// The package must not know clocks, sockets or goroutines; a session is used by one goroutine at a
// time.
package stream

import (
	"context"
	"fmt"
	"time"

	"github.com/coxswain-hpc/coxswain/api"
)

const (
	// RenewSeconds is how often a kubelet renews its lease.
	RenewSeconds int64 = 10
	// reportsMax bounds the pods of one report: one transaction's worth.
	reportsMax = 2000
	// templatesRememberedMax bounds what a session remembers of templates sent; past it the session
	// forgets and sends again, which is harmless.
	templatesRememberedMax = 1024
	// welcomeTemplateBytesMax bounds the scripts and environments inside the welcome; what does not
	// fit is fetched by the kubelet.
	welcomeTemplateBytesMax = 8 << 20
	// fetchMax bounds one fetch of templates.
	fetchMax = 256
)

// Store is what a session needs of the durable state.
type Store interface {
	// RegisterNode makes or refreshes the node's row.
	RegisterNode(ctx context.Context, name string, status api.NodeStatus, now time.Time) (api.Node, error)
	// UpdateNodeStatus stores changed inventory or conditions.
	UpdateNodeStatus(ctx context.Context, name string, status api.NodeStatus) error
	// NodePods lists the node's unreleased pods.
	NodePods(ctx context.Context, node string) ([]api.PodAssignment, error)
	// Template returns the template of that name.
	Template(ctx context.Context, name string) (api.KubeletTemplate, error)
	// ApplyReports stores facts about pods and returns the attempts that are over.
	ApplyReports(ctx context.Context, node string, reports []api.PodReport,
		now time.Time) (stale []api.PodKey, err error)
	// NodeSignals lists the signals on their way to the node's pods; AckSignals ends their way.
	NodeSignals(ctx context.Context, node string) ([]api.PodSignal, error)
	AckSignals(ctx context.Context, node string, ids []int64) error
	// RenewLeases stores renewals.
	RenewLeases(ctx context.Context, leases []api.Lease) error
}

// Options say what a session is about. All fields are needed.
type Options struct {
	Store Store
	// Node is the name that the kubelet has proved.
	Node string
	// Epoch is the store's.
	Epoch string
	// Now tells the time: the simulation's, or the machine's.
	Now func() time.Time
}

// Session is one stream of one node.
type Session struct {
	store     Store
	node      string
	epoch     string
	now       func() time.Time
	opened    bool
	templates map[string]bool
	signals   map[int64]bool
}

// New returns a session that waits for its hello.
func New(o Options) *Session {
	return &Session{
		store: o.Store, node: o.Node, epoch: o.Epoch, now: o.Now,
		templates: map[string]bool{}, signals: map[int64]bool{},
	}
}

// Node is the node's name.
func (s *Session) Node() string { return s.node }

// CheckHello says whether a hello fits the node's proof and our protocol.
func CheckHello(node string, hello api.KubeletHello) error {
	if hello.Protocol != api.KubeletProtocol {
		return api.Errorf(api.CodeUnsupported,
			"the kubelet speaks protocol %d and this server %d; upgrade the older of the two",
			hello.Protocol, api.KubeletProtocol)
	}
	if hello.Node != node {
		return api.Errorf(api.CodeForbidden, "the kubelet calls itself %s, but its certificate is for %s",
			hello.Node, node)
	}
	if hello.Status.BootID == "" {
		return api.Errorf(api.CodeInvalid, "the kubelet's hello has no boot id")
	}
	return nil
}

// Open registers the node and returns the welcome: the whole pod set, with the templates of the pods
// that have not started.
func (s *Session) Open(ctx context.Context, hello api.KubeletHello) (api.ServerMessage, error) {
	if err := CheckHello(s.node, hello); err != nil {
		return api.ServerMessage{}, err
	}
	node, err := s.store.RegisterNode(ctx, s.node, hello.Status, s.now())
	if err != nil {
		return api.ServerMessage{}, fmt.Errorf("register node %s: %w", s.node, err)
	}
	pods, err := s.store.NodePods(ctx, s.node)
	if err != nil {
		return api.ServerMessage{}, fmt.Errorf("read the pods of node %s: %w", s.node, err)
	}
	templates, err := s.freshTemplates(ctx, unstarted(pods), welcomeTemplateBytesMax)
	if err != nil {
		return api.ServerMessage{}, err
	}
	s.opened = true
	welcome := &api.ServerWelcome{
		Protocol: api.KubeletProtocol, Epoch: s.epoch, Generation: node.Generation, Pods: pods,
		RenewSeconds: RenewSeconds,
	}
	return api.ServerMessage{Welcome: welcome, Templates: templates}, nil
}

// unstarted leaves out the pods whose template the node has already.
func unstarted(pods []api.PodAssignment) []api.PodAssignment {
	var out []api.PodAssignment
	for _, p := range pods {
		if p.State == api.PodBound {
			out = append(out, p)
		}
	}
	return out
}

// Changed returns the messages that bring pods of the node, or the news that pods are released.
func (s *Session) Changed(
	ctx context.Context, pods []api.PodAssignment, removed []api.PodKey,
) ([]api.ServerMessage, error) {
	if len(pods) == 0 && len(removed) == 0 {
		return nil, nil
	}
	templates, err := s.freshTemplates(ctx, unstarted(pods), 0)
	if err != nil {
		return nil, err
	}
	// One template a message keeps each message within what the other side accepts.
	var out []api.ServerMessage
	for _, t := range templates {
		out = append(out, api.ServerMessage{Templates: []api.KubeletTemplate{t}})
	}
	if n := len(out); n == 1 {
		out[0].Pods, out[0].Removed = pods, removed
		return out, nil
	}
	return append(out, api.ServerMessage{Pods: pods, Removed: removed}), nil
}

// freshTemplates reads the templates that pods need and that the session has not sent; with bytesMax
// not 0 it stops when their payloads have grown so large.
func (s *Session) freshTemplates(
	ctx context.Context, pods []api.PodAssignment, bytesMax int,
) ([]api.KubeletTemplate, error) {
	var out []api.KubeletTemplate
	size := 0
	for _, p := range pods {
		if s.templates[p.Template] {
			continue
		}
		t, err := s.store.Template(ctx, p.Template)
		if err != nil {
			return nil, fmt.Errorf("read template %s: %w", p.Template, err)
		}
		if size += payloadBytes(t.Payload); bytesMax > 0 && size > bytesMax {
			break
		}
		out = append(out, t)
		s.rememberTemplate(p.Template)
	}
	return out, nil
}

func (s *Session) rememberTemplate(name string) {
	if len(s.templates) >= templatesRememberedMax {
		clear(s.templates)
	}
	s.templates[name] = true
}

func payloadBytes(p api.Payload) int {
	n := len(p.Script)
	for _, e := range p.Environment {
		n += len(e)
	}
	return n
}

// Signals returns the message with the signals for the node's pods that this session has not sent.
func (s *Session) Signals(ctx context.Context) ([]api.ServerMessage, error) {
	all, err := s.store.NodeSignals(ctx, s.node)
	if err != nil {
		return nil, fmt.Errorf("read the signals of node %s: %w", s.node, err)
	}
	var fresh []api.PodSignal
	for _, sig := range all {
		if !s.signals[sig.ID] {
			s.signals[sig.ID] = true
			fresh = append(fresh, sig)
		}
	}
	if len(fresh) == 0 {
		return nil, nil
	}
	return []api.ServerMessage{{Signals: fresh}}, nil
}
