package outbox_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/kubelet/outbox"
)

var at = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func report(owner int, state api.PodState) api.PodReport {
	return api.PodReport{
		Key:   api.PodKey{Instance: api.Instance{Owner: api.JobID(owner), Index: api.NoIndex}, Attempt: 1},
		State: state, At: at,
	}
}

func TestOneBatchIsUnderWayAtATime(t *testing.T) {
	t.Parallel()
	var q outbox.Queue
	_, ok := q.Next()
	require.False(t, ok)

	q.Add(report(1, api.PodRunning))
	first, ok := q.Next()
	require.True(t, ok)
	require.Len(t, first.Pods, 1)

	q.Add(report(2, api.PodRunning))
	q.Add(report(2, api.PodCompleted))
	q.Add(report(3, api.PodRunning))
	_, ok = q.Next()
	require.False(t, ok)
	require.Nil(t, q.Ack(first.Seq+1))
	require.Equal(t, first.Pods, q.Ack(first.Seq))
	require.Nil(t, q.Ack(first.Seq), "an acknowledgement counts once")

	second, ok := q.Next()
	require.True(t, ok)
	require.Greater(t, second.Seq, first.Seq)
	require.Equal(t, []api.PodReport{report(2, api.PodCompleted), report(3, api.PodRunning)}, second.Pods)
}

func TestALostBatchIsSentAgainAndTheStartTimeStays(t *testing.T) {
	t.Parallel()
	var q outbox.Queue
	running := report(1, api.PodRunning)
	running.StartedAt = &at
	q.Add(running)
	lost, _ := q.Next()
	q.Add(report(1, api.PodFailed))
	q.Reset()
	require.Nil(t, q.Ack(lost.Seq), "too late")

	again, ok := q.Next()
	require.True(t, ok)
	require.Len(t, again.Pods, 1)
	require.Equal(t, api.PodFailed, again.Pods[0].State)
	require.Equal(t, &at, again.Pods[0].StartedAt)
}

func TestDrop(t *testing.T) {
	t.Parallel()
	var q outbox.Queue
	q.Add(report(1, api.PodRunning))
	q.Drop(report(1, "").Key)
	_, ok := q.Next()
	require.False(t, ok)
	q.Add(report(1, api.PodRunning))
	_, ok = q.Next()
	require.True(t, ok)
}

// TestEveryEndIsAcknowledged loses batches at random: at last each end was acknowledged.
func TestEveryEndIsAcknowledged(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var q outbox.Queue
		acked := map[api.PodKey]api.PodState{}
		ended := map[api.PodKey]bool{}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			owner := rapid.IntRange(1, 5).Draw(t, "pod")
			switch rapid.IntRange(0, 3).Draw(t, "what") {
			case 0:
				if !ended[report(owner, "").Key] {
					q.Add(report(owner, api.PodRunning))
				}
			case 1:
				ended[report(owner, "").Key] = true
				q.Add(report(owner, api.PodCompleted))
			case 2:
				drain(&q, acked)
			case 3:
				q.Next()
				q.Reset()
			}
		}
		q.Reset()
		drain(&q, acked)
		if q.Len() != 0 {
			t.Fatalf("%d reports are left", q.Len())
		}
		for key := range ended {
			if acked[key] != api.PodCompleted {
				t.Fatalf("pod %s ended and the server heard %q", key, acked[key])
			}
		}
	})
}

func drain(q *outbox.Queue, acked map[api.PodKey]api.PodState) {
	for {
		batch, ok := q.Next()
		if !ok {
			return
		}
		for _, r := range q.Ack(batch.Seq) {
			acked[r.Key] = r.State
		}
	}
}
