package apiserver_test

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/api/client"
	"github.com/coxswain-hpc/coxswain/apiserver"
)

// patience bounds every wait of the tests: far beyond an honest one on a busy machine.
const patience = 30 * time.Second

func within(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

func (b *bundle) joinToken() string {
	b.t.Helper()
	var token struct{ Token string }
	b.as(adminUID, http.MethodPost, "/v1/tokens", `{"use":"join"}`).into(http.StatusCreated, &token)
	return token.Token
}

// join makes a kubelet of that name, with nothing but a join token.
func (b *bundle) join(node string) *client.Kubelet {
	b.t.Helper()
	credentials, err := client.Join(within(b.t), "https://"+b.address, b.joinToken(), node)
	require.NoError(b.t, err)
	return b.kubelet(credentials)
}

func (b *bundle) kubelet(credentials client.KubeletCredentials) *client.Kubelet {
	b.t.Helper()
	k, err := client.NewKubelet("https://"+b.address, credentials)
	require.NoError(b.t, err)
	b.t.Cleanup(k.Close)
	return k
}

// kubeletStream is an open stream of a test's kubelet.
type kubeletStream struct {
	t testing.TB
	*client.KubeletStream
}

func (b *bundle) dial(k *client.Kubelet, node, boot string) kubeletStream {
	b.t.Helper()
	s, err := k.Stream(within(b.t))
	require.NoError(b.t, err)
	b.t.Cleanup(s.Close)
	stream := kubeletStream{t: b.t, KubeletStream: s}
	stream.send(api.KubeletMessage{Hello: &api.KubeletHello{
		Protocol: api.KubeletProtocol, Node: node, Status: nodeStatus(boot),
	}})
	return stream
}

func nodeStatus(boot string) api.NodeStatus {
	size := api.Resources{CPUMillis: 8000, MemoryBytes: 16 << 30}
	return api.NodeStatus{
		BootID: boot, KubeletVersion: "1",
		Inventory: api.Inventory{Capacity: size, Allocatable: size, CgroupMode: "v2"},
	}
}

func (s kubeletStream) send(m api.KubeletMessage) {
	s.t.Helper()
	require.NoError(s.t, s.Send(within(s.t), m))
}

func (s kubeletStream) receive() api.ServerMessage {
	s.t.Helper()
	m, err := s.Receive(within(s.t))
	require.NoError(s.t, err)
	return m
}

// until receives messages until one satisfies want.
func (s kubeletStream) until(want func(api.ServerMessage) bool) api.ServerMessage {
	s.t.Helper()
	for {
		if m := s.receive(); want(m) {
			return m
		}
	}
}

func (b *bundle) welcome(s kubeletStream) api.ServerWelcome {
	b.t.Helper()
	m := s.receive()
	require.NotNil(b.t, m.Welcome, "%+v", m)
	return *m.Welcome
}

// lead makes the test the leader.
func (b *bundle) lead() int64 {
	b.t.Helper()
	row, err := b.store.Leader(within(b.t))
	require.NoError(b.t, err)
	term, ok, err := b.store.TakeOver(within(b.t), row.Term, "test")
	require.NoError(b.t, err)
	require.True(b.t, ok)
	return term
}

// bind places the one instance of a job on a node, as the leader would.
func (b *bundle) bind(term int64, job api.Job, node string) api.PodKey {
	b.t.Helper()
	key := api.PodKey{Instance: api.Instance{Owner: job.ID, Index: api.NoIndex}, Attempt: 1}
	now := time.Now().UTC()
	status := job.Status
	status.State, status.Reason, status.StartedAt = api.JobRunning, api.ReasonNone, &now
	status.Waiting, status.Counts = nil, api.JobCounts{Live: 1}
	pod := api.Pod{
		Key: key, TaskID: job.ID, Role: "main", Node: node, State: api.PodBound, Class: api.ClassGuaranteed,
		Resources: job.Spec.Roles[0].Template.Main().Requests, CPUs: "0", Term: term, BoundAt: now,
	}
	result, err := b.store.Commit(within(b.t), term, api.Commit{Now: now, Jobs: []api.JobCommit{{
		ID: job.ID, Generation: job.Generation, Status: status, Binds: []api.Pod{pod},
	}}})
	require.NoError(b.t, err)
	require.Empty(b.t, result.Refused)
	return key
}

// release closes the account of an ended pod.
func (b *bundle) release(term int64, job api.Job, key api.PodKey) {
	b.t.Helper()
	now := time.Now().UTC()
	current, err := b.store.GetJob(within(b.t), job.ID)
	require.NoError(b.t, err)
	status := current.Status
	status.State, status.EndedAt, status.Counts = api.JobCompleted, &now, api.JobCounts{Completed: 1}
	_, err = b.store.Commit(within(b.t), term, api.Commit{Now: now, Jobs: []api.JobCommit{{
		ID: job.ID, Generation: current.Generation, Status: status, Releases: []api.PodKey{key},
	}}})
	require.NoError(b.t, err)
}

func TestAPodsWayThroughTheStream(t *testing.T) {
	t.Parallel()
	b := setup(t)
	s := b.dial(b.join("n1"), "n1", "boot1")
	meta, err := b.store.Meta(within(t))
	require.NoError(t, err)
	w := b.welcome(s)
	require.Equal(t, meta.Epoch, w.Epoch)
	require.Empty(t, w.Pods)

	s.send(api.KubeletMessage{Renew: &api.KubeletRenew{Seq: 1, BootID: "boot1"}})
	s.until(func(m api.ServerMessage) bool { return m.RenewAck == 1 })
	leases, err := b.store.Leases(within(t))
	require.NoError(t, err)
	require.Equal(t, []api.Lease{{Node: "n1", BootID: "boot1", Seq: 1}}, leases)

	job, term := b.submit(adaUID), b.lead()
	key := b.bind(term, job, "n1")
	m := s.until(func(m api.ServerMessage) bool { return len(m.Pods) > 0 })
	require.Equal(t, key, m.Pods[0].Key)
	require.Equal(t, m.Pods[0].Template, m.Templates[0].Hash)
	require.Equal(t, script().Payload, m.Templates[0].Payload)

	b.as(adaUID, http.MethodPost, path(job.ID, "/signal"), `{"signal":"SIGUSR1","batch_only":true}`).
		into(http.StatusOK, nil)
	m = s.until(func(m api.ServerMessage) bool { return len(m.Signals) > 0 })
	require.Equal(t, "USR1", m.Signals[0].Signal)
	require.True(t, m.Signals[0].BatchOnly)
	s.send(api.KubeletMessage{Signals: []api.SignalResult{{ID: m.Signals[0].ID}}})

	started, ended := time.Now().UTC(), time.Now().UTC()
	s.send(api.KubeletMessage{Report: &api.KubeletReport{Seq: 9, Pods: []api.PodReport{
		{Key: key, State: api.PodCompleted, At: ended, StartedAt: &started, Exit: &api.PodExit{}},
		{Key: api.PodKey{Instance: api.Instance{Owner: 4242, Index: -1}, Attempt: 1}, State: api.PodRunning, At: ended},
	}}})
	m = s.until(func(m api.ServerMessage) bool { return m.ReportAck == 9 })
	require.Len(t, m.Stale, 1)
	require.Equal(t, api.JobID(4242), m.Stale[0].Owner)
	pods, err := b.store.PodsByKeys(within(t), []api.PodKey{key})
	require.NoError(t, err)
	require.Equal(t, api.PodCompleted, pods[0].State)
	left, err := b.store.NodeSignals(within(t), "n1")
	require.NoError(t, err)
	require.Empty(t, left)

	b.release(term, job, key)
	m = s.until(func(m api.ServerMessage) bool { return len(m.Removed) > 0 })
	require.Equal(t, []api.PodKey{key}, m.Removed)
}

func TestReconnectTellsEverythingAgain(t *testing.T) {
	t.Parallel()
	b := setup(t)
	k := b.join("n1")
	first := b.dial(k, "n1", "boot1")
	b.welcome(first)
	job, term := b.submit(adaUID), b.lead()
	key := b.bind(term, job, "n1")
	second := b.dial(k, "n1", "boot1") // the same boot: the newer wins
	m := second.receive()
	require.Len(t, m.Welcome.Pods, 1)
	require.Equal(t, key, m.Welcome.Pods[0].Key)
	require.Len(t, m.Templates, 1)
	m = first.until(func(m api.ServerMessage) bool { return m.Error != nil })
	require.Contains(t, m.Error.Message, "taken over")
}

func TestSecondMachineOfTheSameNameIsRefused(t *testing.T) {
	t.Parallel()
	b := setup(t)
	k := b.join("n1")
	first := b.dial(k, "n1", "boot1")
	b.welcome(first)
	go func() { // a live kubelet reads, and so answers pings
		for {
			if _, err := first.Receive(context.Background()); err != nil {
				return
			}
		}
	}()
	second := b.dial(k, "n1", "boot2")
	m := second.receive()
	require.NotNil(t, m.Error)
	require.Equal(t, api.CodeExists, m.Error.Code)
	first.send(api.KubeletMessage{Renew: &api.KubeletRenew{Seq: 2, BootID: "boot1"}})

	_, err := client.Join(within(t), "https://"+b.address, b.joinToken(), "n1")
	require.Equal(t, api.CodeExists, api.CodeOf(err))
	require.ErrorContains(t, err, "cox node delete n1")
}

func TestHelloMustFitTheCertificate(t *testing.T) {
	t.Parallel()
	b := setup(t)
	m := b.dial(b.join("n1"), "n2", "boot1").receive()
	require.Equal(t, api.CodeForbidden, m.Error.Code)
	_, err := b.store.GetNode(within(t), "n2")
	require.Equal(t, api.CodeNotFound, api.CodeOf(err))
}

func TestJoinTokens(t *testing.T) {
	t.Parallel()
	b := setup(t)
	endpoint, token := "https://"+b.address, b.joinToken()
	_, err := client.Join(within(t), endpoint, token, "N1!")
	require.Equal(t, api.CodeInvalid, api.CodeOf(err), "a refused name costs no token")
	credentials, err := client.Join(within(t), endpoint, token, "n1")
	require.NoError(t, err)
	_, err = client.Join(within(t), endpoint, token, "n2")
	require.Equal(t, api.CodeUnauthenticated, api.CodeOf(err))

	renewed, err := b.kubelet(credentials).Renew(within(t), "n1")
	require.NoError(t, err)
	b.welcome(b.dial(b.kubelet(renewed), "n1", "boot1"))

	fields := strings.Split(b.joinToken(), ".")
	fields[2] = strings.Repeat("0", 64)
	_, err = client.Join(within(t), endpoint, strings.Join(fields, "."), "n3")
	require.Equal(t, api.CodeUnauthenticated, api.CodeOf(err))
	fields[3] = strings.Repeat("0", 32)
	_, err = client.Join(within(t), endpoint, strings.Join(fields, "."), "n3")
	require.ErrorContains(t, err, "has another hash", "the new node refuses another cluster")
	b.as(adaUID, http.MethodPost, "/v1/tokens", `{"use":"join"}`).problem(api.CodeForbidden)
}

func TestTokensOverTLS(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.submit(adaUID)
	var made struct{ ID, Token string }
	b.as(adaUID, http.MethodPost, "/v1/tokens", `{"use":"user","ttl_seconds":60}`).into(http.StatusCreated, &made)
	c, err := client.New(client.Options{
		Server: "https://" + b.address, Token: made.Token,
		CAPEM: b.authority.CertificatePEM(), RetryFor: -1,
	})
	require.NoError(t, err)
	who, err := c.Whoami(within(t))
	require.NoError(t, err)
	require.Equal(t, client.Whoami{User: "ada", UID: adaUID, Accounts: []string{"default"}, Method: "token"},
		who)
	b.as(bobUID, http.MethodDelete, "/v1/tokens/"+made.ID, nil).problem(api.CodeForbidden)
	b.as(adaUID, http.MethodDelete, "/v1/tokens/"+made.ID, nil).into(http.StatusNoContent, nil)
	_, err = c.Whoami(within(t))
	require.Equal(t, api.CodeUnauthenticated, api.CodeOf(err))
	b.as(adaUID, http.MethodPost, "/v1/tokens", `{"use":"user","user":"bob"}`).problem(api.CodeForbidden)
	b.as(adaUID, http.MethodPost, "/v1/tokens", `{"use":"sudo"}`).problem(api.CodeInvalid)
}

// TestANewTokenSaysWhereItIsGood: with its answer alone one comes in from another machine.
func TestANewTokenSaysWhereItIsGood(t *testing.T) {
	t.Parallel()
	b := setup(t)
	local, err := client.New(client.Options{Server: "https://" + b.address, CAPEM: b.authority.CertificatePEM()})
	require.NoError(t, err)
	_, err = local.Version(within(t))
	require.NoError(t, err, "it serves")
	var made client.NewToken
	b.as(adaUID, http.MethodPost, "/v1/tokens", `{"use":"user"}`).into(http.StatusCreated, &made)
	require.Equal(t, "test", made.Cluster)
	require.Equal(t, "https://"+b.address, made.URL)
	far, err := client.New(client.Options{Server: made.URL, CAHash: made.CAHash, Token: made.Text, RetryFor: -1})
	require.NoError(t, err)
	who, err := far.Whoami(within(t))
	require.NoError(t, err)
	require.Equal(t, "ada", who.User)
}

func TestATokenOfALocalServerNamesNoAddress(t *testing.T) {
	t.Parallel()
	b := &bundle{t: t}
	b.store, _ = newStore(t)
	var err error
	b.server, err = apiserver.New(apiserver.Options{
		Store: b.store, Names: people, Logger: slog.New(slog.DiscardHandler),
	})
	require.NoError(t, err)
	var made client.NewToken
	b.as(adaUID, http.MethodPost, "/v1/tokens", `{"use":"user"}`).into(http.StatusCreated, &made)
	require.Empty(t, made.URL+made.CAHash)
	require.NotEmpty(t, made.Text)
}

func TestOnlyTLS13AndNeverPlain(t *testing.T) {
	t.Parallel()
	b := setup(t)
	_, err := tls.Dial("tcp", b.address,
		&tls.Config{RootCAs: b.authority.Pool(), ServerName: "localhost", MaxVersion: tls.VersionTLS12})
	require.ErrorContains(t, err, "protocol version")
	conn, err := net.Dial("tcp", b.address)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	_, err = conn.Write([]byte("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"))
	require.NoError(t, err)
	buf := make([]byte, 64)
	n, _ := conn.Read(buf)
	require.NotContains(t, string(buf[:n]), "200", "not even the health of the server")
}

// TestADeletedNodesCertificateIsNoGood: neither for a stream nor a renewal, and not after another
// machine joined under the name either.
func TestADeletedNodesCertificateIsNoGood(t *testing.T) {
	t.Parallel()
	b := setup(t)
	other := b.second() // where the deletion is heard of by the feed alone
	credentials, err := client.Join(within(t), "https://"+b.address, b.joinToken(), "n1")
	require.NoError(t, err)
	old := b.kubelet(credentials)
	elsewhere := other.dial(other.kubelet(credentials), "n1", "boot1")
	other.welcome(elsewhere)

	b.as(adminUID, http.MethodDelete, "/v1/nodes/n1", nil).into(http.StatusNoContent, nil)
	m := elsewhere.until(func(m api.ServerMessage) bool { return m.Error != nil })
	require.Contains(t, m.Error.Message, "deleted", "its open stream ends")
	refused := func() {
		t.Helper()
		_, err := old.Stream(within(t))
		require.Equal(t, api.CodeUnauthenticated, api.CodeOf(err))
		require.ErrorContains(t, err, "cox token create --join")
		_, err = old.Renew(within(t), "n1")
		require.Equal(t, api.CodeUnauthenticated, api.CodeOf(err))
		_, err = other.kubelet(credentials).Stream(within(t))
		require.Equal(t, api.CodeUnauthenticated, api.CodeOf(err))
	}
	refused()
	_, err = b.store.GetNode(within(t), "n1")
	require.Equal(t, api.CodeNotFound, api.CodeOf(err), "the node stays deleted")

	joined, err := client.Join(within(t), "https://"+b.address, b.joinToken(), "n1")
	require.NoError(t, err)
	b.welcome(b.dial(b.kubelet(joined), "n1", "boot2"))
	refused()
	renewed, err := b.kubelet(joined).Renew(within(t), "n1")
	require.NoError(t, err)
	b.welcome(b.dial(b.kubelet(renewed), "n1", "boot2"))
}
