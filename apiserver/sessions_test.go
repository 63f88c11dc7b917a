package apiserver_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/api/client"
)

// user is a client that comes over TLS with a token.
func (b *bundle) user(uid int64) *client.Client {
	b.t.Helper()
	var made struct{ Token string }
	b.as(uid, http.MethodPost, "/v1/tokens", `{"use":"user"}`).into(http.StatusCreated, &made)
	c, err := client.New(client.Options{
		Server: "https://" + b.address, Token: made.Token, CAPEM: b.authority.CertificatePEM(), RetryFor: -1,
	})
	require.NoError(b.t, err)
	b.t.Cleanup(c.Close)
	return c
}

func attached(s *api.JobSubmit) { s.Spec.Roles[0].Template.Containers[0].Attach = true }

func TestAttachLeadsFramesBothWays(t *testing.T) {
	t.Parallel()
	b := setup(t)
	k := b.join("n1")
	stream := b.dial(k, "n1", "boot1")
	b.welcome(stream)
	job := b.submit(adaUID, attached)
	session, err := b.user(adaUID).Attach(within(t), job.ID, api.NoIndex) // before the pod is placed
	require.NoError(t, err)
	defer session.Close()
	key := b.bind(b.lead(), job, "n1")

	told := false
	m := stream.until(func(m api.ServerMessage) bool { told = told || len(m.Pods) > 0; return m.Session != nil })
	require.True(t, told, "the pod goes out before the request that is about it")
	require.Equal(t, api.SessionAttach, m.Session.Kind)
	require.Equal(t, key, m.Session.Pod)
	node, err := k.Session(within(t), m.Session.ID)
	require.NoError(t, err)
	defer node.Close()
	require.NoError(t, node.Send(within(t), api.SessionFrame{Kind: "stdout", Data: []byte("hello")}))
	frame, err := session.Receive(within(t))
	require.NoError(t, err)
	require.Equal(t, "hello", string(frame.Data))
	require.NoError(t, session.Send(within(t), api.SessionFrame{Kind: "stdin", Data: []byte("typed")}))
	frame, err = node.Receive(within(t))
	require.NoError(t, err)
	require.Equal(t, "typed", string(frame.Data))
	require.NoError(t, node.Send(within(t),
		api.SessionFrame{Kind: "exit", Exit: &api.PodExit{Code: 3}, State: api.PodFailed}))
	node.Finish()
	frame, err = session.Receive(within(t))
	require.NoError(t, err)
	require.Equal(t, 3, frame.Exit.Code)
	_, err = session.Receive(within(t))
	require.ErrorIs(t, err, client.ErrSessionEnded)
}

func TestUserWhoGoesEndsTheSession(t *testing.T) {
	t.Parallel()
	b := setup(t)
	k := b.join("n1")
	stream := b.dial(k, "n1", "boot1")
	b.welcome(stream)
	job := b.submit(adaUID, attached)
	b.bind(b.lead(), job, "n1")
	session, err := b.user(adaUID).Attach(within(t), job.ID, api.NoIndex)
	require.NoError(t, err)
	m := stream.until(func(m api.ServerMessage) bool { return m.Session != nil })
	node, err := k.Session(within(t), m.Session.ID)
	require.NoError(t, err)
	defer node.Close()
	session.Close()
	_, err = node.Receive(within(t))
	require.Error(t, err)
	_, err = k.Session(within(t), m.Session.ID)
	require.Equal(t, api.CodeNotFound, api.CodeOf(err), "an id serves once")
}

func TestLogsOfAnEndedPodCarryItsSource(t *testing.T) {
	t.Parallel()
	b := setup(t)
	k := b.join("n1")
	stream := b.dial(k, "n1", "boot1")
	b.welcome(stream)
	job, term := b.submit(adaUID), b.lead()
	key := b.bind(term, job, "n1")
	now := time.Now().UTC()
	stream.send(api.KubeletMessage{Report: &api.KubeletReport{Seq: 1, Pods: []api.PodReport{
		{Key: key, State: api.PodCompleted, At: now, StartedAt: &now, Exit: &api.PodExit{}},
	}}})
	stream.until(func(m api.ServerMessage) bool { return m.ReportAck == 1 })
	b.release(term, job, key)
	session, err := b.user(adaUID).Logs(within(t),
		client.LogsRequest{Job: job.ID, Index: api.NoIndex, Stream: "stderr", Offset: 7})
	require.NoError(t, err)
	defer session.Close()
	m := stream.until(func(m api.ServerMessage) bool { return m.Session != nil })
	require.Equal(t, "stderr", m.Session.Stream)
	require.Equal(t, int64(7), m.Session.Offset)
	require.Equal(t, key, m.Session.Assignment.Key)
	require.Equal(t, "ada", m.Session.Source.Spec.Owner.User)
}

func TestSessionsThatCannotBe(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ada, bob := b.user(adaUID), b.user(bobUID)
	job := b.submit(adaUID)
	_, err := bob.Logs(within(t), client.LogsRequest{Job: job.ID, Index: api.NoIndex})
	require.Equal(t, api.CodeForbidden, api.CodeOf(err))
	_, err = ada.Attach(within(t), job.ID, api.NoIndex)
	require.Equal(t, api.CodeInvalid, api.CodeOf(err), "it writes to files")
	array := b.submit(adaUID, func(s *api.JobSubmit) { s.Spec.Array = "5-6" })
	_, err = ada.Logs(within(t), client.LogsRequest{Job: array.ID, Index: api.NoIndex})
	require.ErrorContains(t, err, "_5")
	_, err = ada.Logs(within(t), client.LogsRequest{Job: array.ID, Index: 7})
	require.Equal(t, api.CodeNotFound, api.CodeOf(err))
	require.Equal(t, api.CodeNotFound, api.CodeOf(firstFrame(t, ada, job.ID)), "it has not started")

	stream := b.dial(b.join("n1"), "n1", "boot1")
	b.welcome(stream)
	b.bind(b.lead(), job, "n1")
	stream.Close()
	require.Eventually(t, func() bool {
		return api.CodeOf(firstFrame(t, ada, job.ID)) == api.CodeUnavailable
	}, patience, 10*time.Millisecond, "its node is not connected")
}

func TestLogsOfATaskThatWasCancelledWhileItWaitedEnd(t *testing.T) {
	t.Parallel()
	b := setup(t)
	job := b.submit(adaUID, func(s *api.JobSubmit) { s.Spec.Array = "5-6" })
	session, err := b.user(adaUID).Logs(within(t), client.LogsRequest{Job: job.ID, Index: 6, Follow: true})
	require.NoError(t, err)
	defer session.Close()
	status := job.Status
	status.Waiting, status.Counts = status.Waiting.Remove(1), api.JobCounts{Waiting: 1, Cancelled: 1}
	_, err = b.store.Commit(within(t), b.lead(), api.Commit{Now: time.Now(), Jobs: []api.JobCommit{{
		ID: job.ID, Generation: job.Generation, Status: status,
	}}})
	require.NoError(t, err)
	frame, err := session.Receive(within(t))
	require.NoError(t, err)
	require.Equal(t, api.PodCancelled, frame.State, "though its job waits on")
	require.Equal(t, "cancelled before it started", frame.Exit.Message)
}

// firstFrame opens the logs and returns the error that the first frame tells, if it does.
func firstFrame(t testing.TB, c *client.Client, id api.JobID) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(within(t), time.Second)
	defer cancel()
	session, err := c.Logs(ctx, client.LogsRequest{Job: id, Index: api.NoIndex})
	require.NoError(t, err)
	defer session.Close()
	_, err = session.Receive(ctx)
	return err
}

func TestSessionsFindTheirServer(t *testing.T) {
	t.Parallel()
	b := setup(t)
	other := b.second()
	k := b.join("n1")
	stream := b.dial(k, "n1", "boot1")
	b.welcome(stream)
	job := b.submit(adaUID, attached)
	key := b.bind(b.lead(), job, "n1")
	require.Eventually(t, func() bool {
		servers, err := b.store.ListServers(t.Context())
		return err == nil && len(servers) == 2
	}, patience, 10*time.Millisecond)

	session, err := other.user(adaUID).Attach(within(t), job.ID, api.NoIndex)
	require.NoError(t, err)
	defer session.Close()
	m := stream.until(func(m api.ServerMessage) bool { return m.Session != nil })
	require.Equal(t, key, m.Session.Pod)
	node, err := k.Session(within(t), m.Session.ID)
	require.NoError(t, err)
	defer node.Close()
	require.NoError(t, session.Send(within(t), api.SessionFrame{Kind: "stdin", Data: []byte("far")}))
	frame, err := node.Receive(within(t))
	require.NoError(t, err)
	require.Equal(t, "far", string(frame.Data))
	require.NoError(t, node.Send(within(t), api.SessionFrame{Kind: "exit", Exit: &api.PodExit{}}))
	node.Finish()
	frame, err = session.Receive(within(t))
	require.NoError(t, err)
	require.Equal(t, "exit", frame.Kind)
	_, err = session.Receive(within(t))
	require.ErrorIs(t, err, client.ErrSessionEnded)
}
