package kubelet_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coxswain-hpc/coxswain/api"
)

func attached(_ *api.PodAssignment, t *api.KubeletTemplate) { main(t).Attach = true }

func TestAttach(t *testing.T) {
	t.Parallel()
	b := start(t)
	key := b.script("cat; echo oops >&2; exit 7\n", attached)
	s := b.open(api.SessionRequest{ID: "a", Kind: api.SessionAttach, Pod: key})
	require.NoError(t, s.out.Encode(api.SessionFrame{Kind: "stdin", Data: []byte("hello ")}))
	require.NoError(t, s.out.Encode(api.SessionFrame{Kind: "stdin_eof"}))
	text, last := readAll(t, s)
	require.Contains(t, []string{"hello oops\n", "oops\nhello "}, text, "two streams have no common order")
	require.Equal(t, "exit", last.Kind)
	require.Equal(t, 7, last.Exit.Code)
	require.Equal(t, api.PodFailed, last.State)
	s.Close()
	b.waitEnd(key)
	b.release(key)
	b.requireNothingLeft()
}

func TestAttachAfterTheEndStillGetsTheOutput(t *testing.T) {
	t.Parallel()
	b := start(t)
	key := b.script("echo quick\n", attached)
	b.waitEnd(key)
	b.release(key)
	text, last := readAll(t, b.open(api.SessionRequest{ID: "a", Kind: api.SessionAttach, Pod: key}))
	require.Equal(t, "quick\n", text)
	require.Equal(t, api.PodCompleted, last.State)
}

func TestASignalFromTheAttachedClientAndItsLoss(t *testing.T) {
	t.Parallel()
	b := start(t)
	key := b.script("trap 'echo int; exit 130' INT; echo up; while :; do sleep 0.01; done\n", attached)
	s := b.open(api.SessionRequest{ID: "a", Kind: api.SessionAttach, Pod: key})
	var up api.SessionFrame
	require.NoError(t, s.in.Decode(&up))
	require.NoError(t, s.out.Encode(api.SessionFrame{Kind: "signal", Signal: "INT"}))
	text, last := readAll(t, s)
	require.Equal(t, "int\n", text)
	require.Equal(t, 130, last.Exit.Code)

	lost := b.script("sleep 600\n", attached)
	s = b.open(api.SessionRequest{ID: "b", Kind: api.SessionAttach, Pod: lost})
	b.waitState(lost, api.PodRunning)
	s.Close()
	require.Equal(t, api.PodCancelled, b.waitEnd(lost).State)
}

func TestLogs(t *testing.T) {
	t.Parallel()
	b := start(t)
	key := b.script("echo one; while [ ! -e go ]; do sleep 0.01; done; echo two\n")
	s := b.open(api.SessionRequest{ID: "f", Kind: api.SessionLogs, Pod: key, Stream: "stdout", Follow: true})
	var first api.SessionFrame
	require.NoError(t, s.in.Decode(&first))
	require.Equal(t, "one\n", string(first.Data))
	require.NoError(t, os.WriteFile(filepath.Join(b.workDir, "go"), nil, 0o644))
	text, last := readAll(t, s)
	require.Equal(t, "two\n", text)
	require.Equal(t, "eof", last.Kind)

	b.mu.Lock()
	assignment, template := b.pods[key], b.templates[b.pods[key].Template]
	b.mu.Unlock()
	b.release(key)
	b.requireNothingLeft()
	// The node has forgotten the pod: the server tells again what it was.
	request := api.SessionRequest{
		ID: "l", Kind: api.SessionLogs, Pod: key, Stream: "stdout", Offset: 4, Assignment: &assignment,
		Source: &template,
	}
	text, _ = readAll(t, b.open(request))
	require.Equal(t, "two\n", text)
	request.ID, request.Source = "m", nil
	_, last = readAll(t, b.open(request))
	require.Equal(t, api.CodeNotFound, last.Error.Code)
}
