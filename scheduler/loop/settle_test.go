package loop

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coxswain-hpc/coxswain/api"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// settled is what a case expects of the unit.
type settled struct {
	state    api.JobState
	reason   api.Reason
	message  string
	counts   api.JobCounts
	waiting  string
	exit     int
	restarts int32
	releases int
	stops    []api.PodStop
	rows     []api.JobIndex
	dropped  []int64
}

func record(expr string, live int64, change func(*api.JobRecord)) api.JobRecord {
	array, err := api.ParseArray(expr)
	if err != nil {
		panic(err)
	}
	rec := api.JobRecord{Job: api.Job{ID: 1, Generation: 3, Spec: api.JobSpec{Array: expr, GraceSeconds: 30}}}
	rec.Job.Status = api.JobStatus{
		State: api.JobRunning, Waiting: api.RangesOf(api.Range{From: live, To: array.Len()}),
		Counts: api.JobCounts{Live: live, Waiting: array.Len() - live},
	}
	if change != nil {
		change(&rec)
	}
	return rec
}

func pod(expr string, ordinal int64, attempt int32, state api.PodState, exit *api.PodExit) api.Pod {
	array, err := api.ParseArray(expr)
	if err != nil {
		panic(err)
	}
	return api.Pod{
		Key:     api.PodKey{Instance: api.Instance{Owner: 1, Index: array.Index(ordinal)}, Attempt: attempt},
		Ordinal: ordinal, TaskID: 50 + api.JobID(ordinal), Node: "n1", State: state, Exit: exit,
	}
}

func stopped(p api.Pod, state api.PodState, reason api.Reason) api.Pod {
	p.Stop = &api.PodStop{State: state, Reason: reason}
	return p
}

func row(index, ordinal int64, attempt int32, after time.Duration, nodes ...string) api.JobIndex {
	r := api.JobIndex{
		Instance: api.Instance{Owner: 1, Index: index}, Ordinal: ordinal, TaskID: 50 + api.JobID(ordinal),
		Attempt: attempt, ExcludedNodes: nodes,
	}
	if after > 0 {
		at := noon.Add(after)
		r.NotBefore = &at
	}
	return r
}

func TestSettle(t *testing.T) {
	t.Parallel()
	one := func(state api.PodState, exit *api.PodExit) []api.Pod {
		return []api.Pod{pod("", 0, 1, state, exit)}
	}
	oom := &api.PodExit{Code: 137, Signal: 9, Reason: api.ReasonOutOfMemory, Message: "killed at 512 of 512 MiB"}
	for name, c := range map[string]struct {
		rec  api.JobRecord
		pods []api.Pod
		want settled
	}{
		"completed": {record("", 1, nil), one(api.PodCompleted, &api.PodExit{}), settled{
			state: api.JobCompleted, message: "completed on n1", counts: api.JobCounts{Completed: 1}, releases: 1,
		}},
		"exit code": {record("", 1, nil), one(api.PodFailed, &api.PodExit{Code: 3}), settled{
			state: api.JobFailed, reason: api.ReasonExitCode, message: "exit code 3", exit: 3,
			counts: api.JobCounts{Failed: 1}, releases: 1,
		}},
		"out of memory": {record("", 1, nil), one(api.PodOutOfMemory, oom), settled{
			state: api.JobOutOfMemory, reason: api.ReasonOutOfMemory, message: "killed at 512 of 512 MiB", exit: 137,
			counts: api.JobCounts{OutOfMemory: 1}, releases: 1,
		}},
		"timeout": {record("", 1, nil), one(api.PodTimeout, &api.PodExit{Code: 143, Signal: 15}), settled{
			state: api.JobTimeout, reason: api.ReasonTimeLimit, message: "killed by signal 15", exit: 143,
			counts: api.JobCounts{Timeout: 1}, releases: 1,
		}},
		"an array is as bad as its worst task": {
			record("0-2", 3, nil),
			[]api.Pod{
				pod("0-2", 0, 1, api.PodCompleted, &api.PodExit{}), pod("0-2", 1, 1, api.PodOutOfMemory, oom),
				pod("0-2", 2, 1, api.PodTimeout, &api.PodExit{Code: 124}),
			},
			settled{
				state: api.JobOutOfMemory, reason: api.ReasonOutOfMemory, exit: 137, releases: 3,
				message: "of 3 tasks 1 ran out of memory, 1 reached the time limit, 1 completed",
				counts:  api.JobCounts{Completed: 1, OutOfMemory: 1, Timeout: 1},
			},
		},
		"lost shim: again at once": {record("", 1, nil), one(api.PodShimLost, nil), settled{
			state: api.JobPending, counts: api.JobCounts{Waiting: 1}, waiting: "0", restarts: 1, releases: 1,
			rows: []api.JobIndex{row(-1, 0, 1, 0)},
		}},
		"lost shim for the third time: after a back-off": {
			record("", 1, nil),
			[]api.Pod{pod("", 0, 3, api.PodShimLost, nil)},
			settled{
				state: api.JobPending, counts: api.JobCounts{Waiting: 1}, waiting: "0", restarts: 1, releases: 1,
				rows: []api.JobIndex{row(-1, 0, 3, 2*time.Second)},
			},
		},
		"refused: elsewhere, and no restart": {record("", 1, nil), one(api.PodRefused, nil), settled{
			state: api.JobPending, counts: api.JobCounts{Waiting: 1}, waiting: "0", releases: 1,
			rows: []api.JobIndex{row(-1, 0, 1, time.Second, "n1")},
		}},
		"node failed, not to be requeued": {
			record("", 1, func(r *api.JobRecord) { r.Job.Spec.NoRequeue = true }), one(api.PodNodeFailed, nil),
			settled{
				state: api.JobNodeFailed, reason: api.ReasonNodeLost, message: "node n1 was lost",
				counts: api.JobCounts{NodeFailed: 1}, releases: 1,
			},
		},
		"refused is placed again whatever the job says": {
			record("", 1, func(r *api.JobRecord) { r.Job.Spec.NoRequeue = true }), one(api.PodRefused, nil),
			settled{
				state: api.JobPending, counts: api.JobCounts{Waiting: 1}, waiting: "0", releases: 1,
				rows: []api.JobIndex{row(-1, 0, 1, time.Second, "n1")},
			},
		},
		"node failed of a cancelled job": {
			record("", 1, func(r *api.JobRecord) { r.CancelWanted, r.CancelBy = true, "ann" }),
			one(api.PodNodeFailed, nil),
			settled{
				state: api.JobCancelled, reason: api.ReasonCancelled, message: "cancelled by ann",
				counts: api.JobCounts{Cancelled: 1}, releases: 1,
			},
		},
		"given up": {record("", 1, nil), []api.Pod{pod("", 0, faultsMax, api.PodStartFailed, nil)}, settled{
			state: api.JobNodeFailed, reason: api.ReasonNode, message: "given up after 30 attempts: start_failed on n1",
			counts: api.JobCounts{NodeFailed: 1}, releases: 1,
		}},
		"requeue by exit code": {
			record("", 1, func(r *api.JobRecord) { r.Job.Spec.RequeueExitCodes = []int{75} }),
			one(api.PodFailed, &api.PodExit{Code: 75}),
			settled{
				state: api.JobPending, counts: api.JobCounts{Waiting: 1}, waiting: "0", restarts: 1, releases: 1,
				rows: []api.JobIndex{func() api.JobIndex {
					r := row(-1, 0, 1, time.Second)
					r.Retries = 1
					return r
				}()},
			},
		},
		"requeue asked for: stop": {
			record("0-2", 2, func(r *api.JobRecord) { r.RequeueWanted = 1 }),
			[]api.Pod{pod("0-2", 0, 1, api.PodRunning, nil), pod("0-2", 1, 1, api.PodBound, nil)},
			settled{
				state: api.JobRunning, counts: api.JobCounts{Live: 2, Waiting: 1}, waiting: "2",
				stops: []api.PodStop{
					{State: api.PodPreempted, Reason: api.ReasonRequeued, GraceSeconds: 30},
					{State: api.PodPreempted, Reason: api.ReasonRequeued, GraceSeconds: 30},
				},
			},
		},
		"requeued though the job is not to be requeued after faults": {
			record("", 1, func(r *api.JobRecord) { r.Job.Spec.NoRequeue = true }),
			[]api.Pod{stopped(pod("", 0, 1, api.PodPreempted, nil), api.PodPreempted, api.ReasonRequeued)},
			settled{
				state: api.JobPending, counts: api.JobCounts{Waiting: 1}, waiting: "0", restarts: 1, releases: 1,
				rows: []api.JobIndex{row(-1, 0, 1, 0)},
			},
		},
		"completed before the requeue came": {
			record("", 1, nil),
			[]api.Pod{stopped(pod("", 0, 1, api.PodCompleted, &api.PodExit{}), api.PodPreempted, api.ReasonRequeued)},
			settled{
				state: api.JobCompleted, message: "completed on n1", counts: api.JobCounts{Completed: 1}, releases: 1,
			},
		},
		"cancel: the waiting at once, a requeue overridden, a cancel not repeated": {
			record("0-4", 2, func(r *api.JobRecord) { r.CancelWanted, r.CancelBy = true, "ann" }),
			[]api.Pod{
				stopped(pod("0-4", 0, 1, api.PodRunning, nil), api.PodPreempted, api.ReasonRequeued),
				stopped(pod("0-4", 1, 1, api.PodRunning, nil), api.PodCancelled, api.ReasonCancelled),
			},
			settled{
				state: api.JobRunning, counts: api.JobCounts{Live: 2, Cancelled: 3},
				stops: []api.PodStop{{
					State: api.PodCancelled, Reason: api.ReasonCancelled, GraceSeconds: 30, By: "ann",
				}},
			},
		},
		"cancel of waiting tasks drops their rows": {
			record("0-4", 0, func(r *api.JobRecord) {
				r.Indices = []api.JobIndex{row(3, 3, 1, time.Minute, "n2")}
				r.Indices[0].CancelWanted = true
			}),
			nil,
			settled{
				state: api.JobPending, counts: api.JobCounts{Waiting: 4, Cancelled: 1}, waiting: "0-2,4",
				dropped: []int64{3},
			},
		},
		"an instance that ended loses its row": {
			record("0-1", 1, func(r *api.JobRecord) { r.Indices = []api.JobIndex{row(0, 0, 1, 0, "n2")} }),
			[]api.Pod{pod("0-1", 0, 2, api.PodCompleted, &api.PodExit{})},
			settled{
				state: api.JobPending, counts: api.JobCounts{Waiting: 1, Completed: 1}, waiting: "1", releases: 1,
				dropped: []int64{0},
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			unit, ok := settle(c.rec, facts{now: noon, pods: c.pods})
			require.True(t, ok)
			require.EqualValues(t, 3, unit.Generation)
			require.Equal(t, c.want, settledOf(unit))
			require.Equal(t, unit.Status.State.Ended(), unit.Status.EndedAt != nil)
		})
	}
}

func settledOf(u api.JobCommit) settled {
	out := settled{
		state: u.Status.State, reason: u.Status.Reason, message: u.Status.Message, counts: u.Status.Counts,
		waiting: u.Status.Waiting.String(), exit: u.Status.ExitCode, restarts: u.Status.Restarts,
		releases: len(u.Releases), rows: u.Indices, dropped: u.DroppedIndices,
	}
	if len(out.dropped) == 0 {
		out.dropped = nil
	}
	if len(out.rows) == 0 {
		out.rows = nil
	}
	for _, s := range u.Stops {
		out.stops = append(out.stops, s.Stop)
	}
	return out
}

func TestSettleOfAGangWaitsForAllMembers(t *testing.T) {
	t.Parallel()
	members := func(first, second api.PodState) []api.Pod {
		a, b := pod("", 0, 1, first, nil), pod("", 0, 1, second, nil)
		b.Key.Rank = 1
		return []api.Pod{a, b}
	}
	unit, ok := settle(record("", 1, nil), facts{now: noon, pods: members(api.PodFailed, api.PodRunning)})
	require.True(t, ok)
	require.Empty(t, unit.Releases)
	require.Equal(t, api.PodCancelled, unit.Stops[0].Stop.State, "the others have nobody to talk to")

	_, ok = settle(record("", 1, nil), facts{now: noon, pods: members(api.PodCompleted, api.PodRunning)})
	require.False(t, ok)

	unit, ok = settle(record("", 1, nil), facts{now: noon, pods: members(api.PodFailed, api.PodNodeFailed)})
	require.True(t, ok)
	require.Len(t, unit.Releases, 2)
	require.EqualValues(t, 1, unit.Status.Counts.Waiting, "the members failed of the node")
}

func TestSettleIsIdempotentAndQuiet(t *testing.T) {
	t.Parallel()
	_, ok := settle(record("0-9", 1, nil), facts{now: noon, pods: []api.Pod{pod("0-9", 0, 1, api.PodRunning, nil)}})
	require.False(t, ok)
}

func TestBackoffGrowsAndIsBounded(t *testing.T) {
	t.Parallel()
	require.Zero(t, backoff(0))
	require.Equal(t, time.Second, backoff(1))
	require.Equal(t, 2*time.Second, backoff(2))
	require.Equal(t, 256*time.Second, backoff(9))
	require.Equal(t, backoffMax, backoff(10))
	require.Equal(t, backoffMax, backoff(1_000_000))
}

func TestLeaseWatch(t *testing.T) {
	t.Parallel()
	w := &leaseWatch{suspectAfter: 40 * time.Second, downAfter: 330 * time.Second, interval: 2 * time.Second}
	w.reset()
	n := api.Node{Name: "n1", Status: api.NodeStatus{State: api.NodeReady}}
	boot, seq := time.Hour, int64(1)
	look := func(step time.Duration) api.NodeState {
		boot += step
		for _, c := range w.observe([]api.Lease{{Node: "n1", BootID: "b", Seq: seq}}, []api.Node{n}, boot, noon) {
			n.Status.State = c.State
		}
		return n.Status.State
	}
	require.Equal(t, api.NodeReady, look(0))
	for range 19 {
		require.Equal(t, api.NodeReady, look(2*time.Second))
	}
	require.Equal(t, api.NodeSuspect, look(2*time.Second), "after 40 s")
	seq++
	require.Equal(t, api.NodeReady, look(2*time.Second))
	require.Equal(t, api.NodeReady, look(time.Hour), "a leader that did not run has not listened")
	w.interrupt()
	require.Equal(t, api.NodeReady, look(300*time.Second), "a store that was away counts for nobody")
	for range 170 {
		look(2 * time.Second)
	}
	require.Equal(t, api.NodeDown, n.Status.State)
	w.reset()
	require.Equal(t, api.NodeDown, look(2*time.Second), "a new leader has heard nothing yet")
	seq++
	require.Equal(t, api.NodeReady, look(2*time.Second))
}
