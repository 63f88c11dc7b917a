package stream_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/apiserver/stream"
)

// memory is a store of one node, and one that fails while fail is set.
type memory struct {
	fail     error
	node     api.Node
	pods     []api.PodAssignment
	payload  int
	reads    []string
	reports  []api.PodReport
	stale    []api.PodKey
	signals  []api.PodSignal
	acked    []int64
	leases   []api.Lease
	statuses []api.NodeStatus
}

func (m *memory) RegisterNode(_ context.Context, name string, status api.NodeStatus, now time.Time) (api.Node, error) {
	status.RegisteredAt = now
	m.node = api.Node{Name: name, Generation: 3, Status: status}
	return m.node, m.fail
}

func (m *memory) UpdateNodeStatus(_ context.Context, _ string, status api.NodeStatus) error {
	m.statuses = append(m.statuses, status)
	return m.fail
}

func (m *memory) NodePods(context.Context, string) ([]api.PodAssignment, error) {
	return m.pods, m.fail
}

func (m *memory) Template(_ context.Context, name string) (api.KubeletTemplate, error) {
	m.reads = append(m.reads, name)
	if name == "gone" {
		return api.KubeletTemplate{}, api.ErrNotFound
	}
	return api.KubeletTemplate{Hash: name, Payload: api.Payload{Script: make([]byte, m.payload)}}, m.fail
}

func (m *memory) ApplyReports(_ context.Context, _ string, r []api.PodReport, _ time.Time) ([]api.PodKey, error) {
	m.reports = append(m.reports, r...)
	return m.stale, m.fail
}

func (m *memory) NodeSignals(context.Context, string) ([]api.PodSignal, error) {
	return m.signals, m.fail
}

func (m *memory) AckSignals(_ context.Context, _ string, ids []int64) error {
	m.acked = append(m.acked, ids...)
	return m.fail
}

func (m *memory) RenewLeases(_ context.Context, leases []api.Lease) error {
	m.leases = append(m.leases, leases...)
	return m.fail
}

var (
	ctx   = context.Background()
	now   = time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC)
	hello = api.KubeletHello{Protocol: api.KubeletProtocol, Node: "n1", Status: api.NodeStatus{BootID: "b1"}}
)

func key(owner api.JobID) api.PodKey {
	return api.PodKey{Instance: api.Instance{Owner: owner, Index: api.NoIndex}, Attempt: 1}
}

func pod(owner api.JobID, template string, state api.PodState) api.PodAssignment {
	return api.PodAssignment{Key: key(owner), Template: template, State: state}
}

func newSession(m *memory) *stream.Session {
	return stream.New(stream.Options{Store: m, Node: "n1", Epoch: "e1", Now: func() time.Time { return now }})
}

func opened(t *testing.T, m *memory) *stream.Session {
	t.Helper()
	s := newSession(m)
	_, err := s.Open(ctx, hello)
	require.NoError(t, err)
	return s
}

func TestWelcome(t *testing.T) {
	t.Parallel()
	m := &memory{pods: []api.PodAssignment{
		pod(1, "1.0.1", api.PodBound), pod(2, "2.0.1", api.PodRunning), pod(3, "1.0.1", api.PodBound),
	}}
	got, err := newSession(m).Open(ctx, hello)
	require.NoError(t, err)
	require.Equal(t, &api.ServerWelcome{
		Protocol: 1, Epoch: "e1", Generation: 3, Pods: m.pods, RenewSeconds: stream.RenewSeconds,
	}, got.Welcome)
	require.Len(t, got.Templates, 1, "one for both pods that have not started, none for the running one")
	require.Equal(t, "1.0.1", got.Templates[0].Hash)
	require.Equal(t, now, m.node.Status.RegisteredAt)
}

func TestWelcomeIsBounded(t *testing.T) {
	t.Parallel()
	m := &memory{payload: 3 << 20}
	for i := range 5 {
		m.pods = append(m.pods, pod(api.JobID(i+1), fmt.Sprint(i+1, ".0.1"), api.PodBound))
	}
	s := newSession(m)
	got, err := s.Open(ctx, hello)
	require.NoError(t, err)
	require.Len(t, got.Welcome.Pods, 5)
	require.Len(t, got.Templates, 2, "what does not fit is fetched")
	fetched, err := s.Receive(ctx,
		api.KubeletMessage{Fetch: &api.KubeletFetch{Templates: []string{"4.0.1", "gone"}}})
	require.NoError(t, err)
	require.Len(t, fetched, 1)
	require.Equal(t, "4.0.1", fetched[0].Templates[0].Hash)
}

func TestHelloThatDoesNotFit(t *testing.T) {
	t.Parallel()
	for want, change := range map[api.Code]func(*api.KubeletHello){
		api.CodeUnsupported: func(h *api.KubeletHello) { h.Protocol = 99 },
		api.CodeForbidden:   func(h *api.KubeletHello) { h.Node = "n2" },
		api.CodeInvalid:     func(h *api.KubeletHello) { h.Status.BootID = "" },
	} {
		h := hello
		change(&h)
		m := &memory{}
		_, err := newSession(m).Open(ctx, h)
		require.Equal(t, want, api.CodeOf(err))
		require.Empty(t, m.node.Name, "nothing is registered")
	}
	_, err := newSession(&memory{}).Receive(ctx, api.KubeletMessage{Renew: &api.KubeletRenew{Seq: 1}})
	require.Equal(t, api.CodeInvalid, api.CodeOf(err), "nothing goes before the hello")
}

func TestTemplatesGoOnceAndFirst(t *testing.T) {
	t.Parallel()
	m := &memory{}
	s := opened(t, m)
	got, err := s.Changed(ctx, []api.PodAssignment{pod(1, "a", api.PodBound), pod(2, "b", api.PodBound)}, nil)
	require.NoError(t, err)
	require.Len(t, got, 3)
	require.Equal(t, "a", got[0].Templates[0].Hash)
	require.Equal(t, "b", got[1].Templates[0].Hash)
	require.Len(t, got[2].Pods, 2)

	got, err = s.Changed(ctx, []api.PodAssignment{pod(3, "a", api.PodBound), pod(4, "c", api.PodBound)},
		[]api.PodKey{key(1)})
	require.NoError(t, err)
	require.Len(t, got, 1)
	require.Equal(t, "c", got[0].Templates[0].Hash)
	require.Len(t, got[0].Pods, 2)
	require.Equal(t, []api.PodKey{key(1)}, got[0].Removed)
	require.Equal(t, []string{"a", "b", "c"}, m.reads)

	got, err = s.Changed(ctx, nil, nil)
	require.NoError(t, err)
	require.Empty(t, got)
}

func TestNothingIsAcknowledgedUnstored(t *testing.T) {
	t.Parallel()
	m := &memory{stale: []api.PodKey{key(9)}}
	s := opened(t, m)
	report := api.KubeletMessage{Report: &api.KubeletReport{
		Seq:  7,
		Pods: []api.PodReport{{Key: key(1), State: api.PodRunning}},
	}}
	messages := []api.KubeletMessage{
		report,
		{Renew: &api.KubeletRenew{Seq: 4, BootID: "b1"}},
		{Signals: []api.SignalResult{{ID: 3}}},
		{Node: &api.NodeStatus{BootID: "b1"}},
	}
	m.fail = errors.New("database away")
	for _, msg := range messages {
		got, err := s.Receive(ctx, msg)
		require.ErrorIs(t, err, m.fail)
		require.Empty(t, got)
	}
	m.fail = nil
	got, err := s.Receive(ctx, report)
	require.NoError(t, err)
	require.Equal(t, []api.ServerMessage{{ReportAck: 7, Stale: []api.PodKey{key(9)}}}, got)
	got, err = s.Receive(ctx, messages[1])
	require.NoError(t, err)
	require.Equal(t, []api.ServerMessage{{RenewAck: 4}}, got)
	require.Equal(t, api.Lease{Node: "n1", BootID: "b1", Seq: 4}, m.leases[len(m.leases)-1])
}

func TestSignalsGoOnceUntilAcknowledged(t *testing.T) {
	t.Parallel()
	m := &memory{signals: []api.PodSignal{{ID: 5, Key: key(1), Signal: "USR1"}}}
	s := opened(t, m)
	got, err := s.Signals(ctx)
	require.NoError(t, err)
	require.Equal(t, m.signals, got[0].Signals)
	got, err = s.Signals(ctx)
	require.NoError(t, err)
	require.Empty(t, got)
	_, err = s.Receive(ctx, api.KubeletMessage{Signals: []api.SignalResult{{ID: 5}}})
	require.NoError(t, err)
	require.Equal(t, []int64{5}, m.acked)

	again, err := opened(t, m).Signals(ctx)
	require.NoError(t, err)
	require.Len(t, again, 1, "a new stream sends what was never acknowledged")
}

func TestLimits(t *testing.T) {
	t.Parallel()
	s := opened(t, &memory{})
	_, err := s.Receive(ctx,
		api.KubeletMessage{Report: &api.KubeletReport{Pods: make([]api.PodReport, 2001)}})
	require.Equal(t, api.CodeLimit, api.CodeOf(err))
	_, err = s.Receive(ctx, api.KubeletMessage{Fetch: &api.KubeletFetch{Templates: make([]string, 257)}})
	require.Equal(t, api.CodeLimit, api.CodeOf(err))
	got, err := s.Receive(ctx, api.KubeletMessage{})
	require.NoError(t, err, "a message of a newer kubelet is ignored")
	require.Empty(t, got)
}

func TestANodeFetchesTheTemplatesOfItsOwnPodsAlone(t *testing.T) {
	t.Parallel()
	m := &memory{pods: []api.PodAssignment{pod(7, "7.0.2", api.PodRunning)}}
	s := opened(t, m)
	m.reads = nil
	fetch := api.KubeletFetch{Templates: []string{"8.0.1", "7.0.1", "7.1.1", "70.0.1", "", "7"}}
	got, err := s.Receive(ctx, api.KubeletMessage{Fetch: &fetch})
	require.NoError(t, err)
	require.Equal(t, []string{"7.0.1"}, m.reads, "an older generation is still its own")
	require.Len(t, got, 1)
}
