package loop_test

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/internal/clock"
	"github.com/coxswain-hpc/coxswain/scheduler/loop"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

type bundle struct {
	t     *testing.T
	store *fakeStore
	clock *clock.Fake
	loop  *loop.Loop
}

func setup(t *testing.T, nodes ...string) *bundle {
	t.Helper()
	b := &bundle{t: t, store: newFakeStore(), clock: clock.NewFake(noon)}
	for _, name := range nodes {
		b.store.addNode(name, 4)
	}
	b.loop = b.newLoop("server-1")
	return b
}

func (b *bundle) newLoop(holder string) *loop.Loop {
	b.t.Helper()
	l, err := loop.New(loop.Options{
		Store: b.store, Election: b.store, Clock: b.clock, Logger: slog.New(slog.DiscardHandler), Holder: holder,
		Rand: rand.New(rand.NewPCG(1, 2)),
	})
	require.NoError(b.t, err)
	return l
}

// step runs steps until the loop wants to rest.
func (b *bundle) step() {
	b.t.Helper()
	for range 20 {
		if b.loop.Step(context.Background()) > 0 {
			b.check()
			return
		}
	}
	b.t.Fatal("the loop never rests")
}

// check compares the store's books with themselves: no CPU has two owners, and counts add up.
func (b *bundle) check() {
	b.t.Helper()
	require.NoError(b.t, b.loop.CompareWithLoad(context.Background()))
	taken := map[string]api.PodKey{}
	for _, p := range b.store.livePods() {
		ids, err := api.ParseRanges(p.CPUs)
		require.NoError(b.t, err)
		ids.Each(func(id int64) bool {
			key := p.Node + "/" + p.CPUs
			other, twice := taken[key]
			require.False(b.t, twice && id >= 0 && other != p.Key, "%s and %s share CPUs", other, p.Key)
			taken[key] = p.Key
			return true
		})
	}
	for id, rec := range b.store.jobs {
		array, err := api.ParseArray(rec.Job.Spec.Array)
		require.NoError(b.t, err)
		c := rec.Job.Status.Counts
		require.Equal(b.t, array.Len(), c.Waiting+c.Live+c.Done(), "job %d: %+v", id, c)
		require.Equal(b.t, c.Waiting, rec.Job.Status.Waiting.Len(), "job %d", id)
	}
}

func (b *bundle) pass(d time.Duration) {
	b.t.Helper()
	b.clock.Advance(d)
	b.step()
}

func key(id api.JobID, index int64, attempt int32) api.PodKey {
	return api.PodKey{Instance: api.Instance{Owner: id, Index: index}, Attempt: attempt}
}

func (b *bundle) run(k api.PodKey) {
	b.store.report(k, api.PodEvent{State: api.PodRunning, At: b.clock.Now()})
}

func (b *bundle) end(k api.PodKey, state api.PodState, exit *api.PodExit) {
	b.store.report(k, api.PodEvent{State: state, At: b.clock.Now(), Exit: exit})
	b.step()
}

func array(expr string) func(*api.JobRecord) {
	return func(r *api.JobRecord) { r.Job.Spec.Array = expr }
}

func dependency(kind api.DependencyKind, on api.JobID) func(*api.JobRecord) {
	return func(r *api.JobRecord) {
		r.Job.Spec.Dependencies = []api.Dependency{{Kind: kind, On: on, OnIndex: api.NoIndex}}
	}
}

func TestJobRunsAndCompletes(t *testing.T) {
	t.Parallel()
	b := setup(t, "n1")
	b.step()
	b.store.submit(1, nil)
	b.step()

	pods := b.store.livePods()
	require.Len(t, pods, 1)
	require.Equal(t, key(1, api.NoIndex, 1), pods[0].Key)
	require.Equal(t, "0", pods[0].CPUs)
	require.EqualValues(t, 1, pods[0].TaskID, "a job that is no array is its own task")
	require.EqualValues(t, 1, pods[0].Term)
	require.Equal(t, api.JobRunning, b.store.job(1).Job.Status.State)

	b.run(pods[0].Key)
	b.end(pods[0].Key, api.PodCompleted, &api.PodExit{})
	st := b.store.job(1).Job.Status
	require.Equal(t, api.JobCompleted, st.State)
	require.Equal(t, api.JobCounts{Completed: 1}, st.Counts)
	require.NotNil(t, st.EndedAt)
	require.Empty(t, b.store.livePods())
}

func TestArrayTakesNumbersAndReusesCapacity(t *testing.T) {
	t.Parallel()
	b := setup(t, "n1")
	b.store.submit(1, array("10-15"))
	b.step()
	pods := b.store.livePods()
	require.Len(t, pods, 4)
	require.EqualValues(t, 10, pods[0].Key.Index)
	require.EqualValues(t, 100, pods[0].TaskID)
	require.EqualValues(t, 103, pods[3].TaskID)
	require.Equal(t, api.ReasonResources, b.store.job(1).Job.Status.Reason)

	b.end(key(1, 11, 1), api.PodFailed, &api.PodExit{Code: 3, Reason: api.ReasonExitCode})
	pods = b.store.livePods()
	require.Len(t, pods, 4)
	require.EqualValues(t, 14, pods[3].Key.Index)
	require.Equal(t, "1", pods[3].CPUs, "the freed CPU")
	require.EqualValues(t, 104, pods[3].TaskID)

	for _, index := range []int64{10, 12, 13, 14} {
		b.end(key(1, index, 1), api.PodCompleted, &api.PodExit{})
	}
	b.end(key(1, 15, 1), api.PodCompleted, &api.PodExit{})
	st := b.store.job(1).Job.Status
	require.Equal(t, api.JobFailed, st.State)
	require.Equal(t, 3, st.ExitCode)
	require.Equal(t, "of 6 tasks 1 failed, 5 completed", st.Message)
}

func TestRefusedPodGoesElsewhereAfterABackoff(t *testing.T) {
	t.Parallel()
	b := setup(t, "n1", "n2")
	b.store.submit(1, array("0-1"))
	b.step()
	first := b.store.livePods()[0]
	b.end(first.Key, api.PodRefused, nil)
	require.Len(t, b.store.livePods(), 1, "waits for its back-off")
	row := b.store.job(1).Indices[0]
	require.Equal(t, []string{"n1"}, row.ExcludedNodes)
	require.Equal(t, first.TaskID, row.TaskID)

	b.pass(time.Second)
	again := b.store.livePods()[0]
	require.Equal(t, key(1, 0, 2), again.Key)
	require.Equal(t, "n2", again.Node)
	require.Equal(t, first.TaskID, again.TaskID, "the number is kept over attempts")
	b.end(again.Key, api.PodCompleted, &api.PodExit{})
	require.Empty(t, b.store.job(1).Indices, "an instance that ended has no row")
}

func TestBlackHoleEndsAtLast(t *testing.T) {
	t.Parallel()
	b := setup(t, "n1")
	b.store.submit(1, nil)
	b.step()
	for range 100 {
		live := b.store.livePods()
		if len(live) == 0 {
			break
		}
		b.end(live[0].Key, api.PodStartFailed, &api.PodExit{Message: "no space left"})
		b.store.renew("n1")
		b.pass(5 * time.Minute)
	}
	st := b.store.job(1).Job.Status
	require.Equal(t, api.JobNodeFailed, st.State)
	require.Contains(t, st.Message, "given up after 30 attempts: no space left")
}

func TestCancelWholeJobAndOneTask(t *testing.T) {
	t.Parallel()
	b := setup(t, "n1")
	b.store.submit(1, array("0-9"))
	b.step()
	b.store.change(1, func(r *api.JobRecord) {
		r.Indices = append(r.Indices,
			api.JobIndex{Instance: api.Instance{Owner: 1, Index: 1}, Ordinal: 1, CancelWanted: true},
			api.JobIndex{Instance: api.Instance{Owner: 1, Index: 9}, Ordinal: 9, CancelWanted: true})
	})
	b.step()
	st := b.store.job(1).Job.Status
	require.EqualValues(t, 1, st.Counts.Cancelled, "the waiting one ends at once")
	stop := b.store.pods[key(1, 1, 1)].Stop
	require.NotNil(t, stop)
	require.Equal(t, api.PodCancelled, stop.State)
	require.EqualValues(t, 30, stop.GraceSeconds)

	b.store.change(1, func(r *api.JobRecord) { r.CancelWanted, r.CancelBy = true, "root" })
	b.step()
	for _, p := range b.store.livePods() {
		require.NotNil(t, p.Stop, p.Key)
		b.end(p.Key, api.PodCancelled, &api.PodExit{Code: 143, Signal: 15})
	}
	st = b.store.job(1).Job.Status
	require.Equal(t, api.JobCancelled, st.State)
	require.EqualValues(t, 10, st.Counts.Cancelled)
	require.Equal(t, "cancelled by root", st.Message)
}

func TestRequeueStartsANewAttempt(t *testing.T) {
	t.Parallel()
	b := setup(t, "n1")
	b.store.submit(1, nil)
	b.step()
	b.store.change(1, func(r *api.JobRecord) { r.RequeueWanted++ })
	b.step()
	require.Equal(t, api.ReasonRequeued, b.store.pods[key(1, -1, 1)].Stop.Reason)
	b.end(key(1, -1, 1), api.PodPreempted, nil)
	require.Equal(t, key(1, -1, 2), b.store.livePods()[0].Key, "at once, without a back-off")
	require.EqualValues(t, 1, b.store.job(1).Job.Status.Restarts)
	require.Nil(t, b.store.livePods()[0].Stop)
}

func TestSilentNodeLosesItsPodsAndComesBack(t *testing.T) {
	t.Parallel()
	b := setup(t, "n1", "n2")
	b.store.submit(1, nil)
	b.store.submit(2, func(r *api.JobRecord) { r.Job.Spec.NoRequeue = true })
	b.step()
	b.run(key(1, -1, 1))
	for range 45 {
		b.store.renew("n2")
		b.pass(time.Second)
	}
	require.Equal(t, api.NodeSuspect, b.store.nodes["n1"].Status.State)
	require.Len(t, b.store.livePods(), 2, "its pods are left alone")
	for range 300 {
		b.store.renew("n2")
		b.pass(time.Second)
	}
	require.Equal(t, api.NodeDown, b.store.nodes["n1"].Status.State)
	require.Equal(t, api.NodeReady, b.store.nodes["n2"].Status.State)
	live := b.store.livePods()
	require.Len(t, live, 1)
	require.Equal(t, key(1, -1, 2), live[0].Key)
	require.Equal(t, "n2", live[0].Node)
	require.Equal(t, api.JobNodeFailed, b.store.job(2).Job.Status.State)

	b.store.renew("n1")
	b.pass(3 * time.Second)
	require.Equal(t, api.NodeReady, b.store.nodes["n1"].Status.State)
}

func TestAStoreThatWasAwayExpiresNobody(t *testing.T) {
	t.Parallel()
	b := setup(t, "n1")
	b.store.submit(1, nil)
	b.step()
	b.pass(3 * time.Second)
	b.store.setFailing(api.ErrUnavailable)
	for range 600 {
		b.clock.Advance(time.Second)
		b.loop.Step(context.Background())
	}
	_, leads := b.loop.Leading()
	require.False(t, leads, "it could not renew")
	b.store.setFailing(nil)
	b.pass(10 * time.Second)
	b.pass(3 * time.Second)
	_, leads = b.loop.Leading()
	require.True(t, leads)
	require.Equal(t, api.NodeReady, b.store.nodes["n1"].Status.State)
	require.Len(t, b.store.livePods(), 1)
}

func TestDependencies(t *testing.T) {
	t.Parallel()
	b := setup(t, "n1")
	b.store.submit(1, array("0-1"))
	b.store.submit(2, dependency(api.DependencyAfterOK, 1))
	b.store.submit(3, dependency(api.DependencyAfterNotOK, 1))
	b.store.submit(4, dependency(api.DependencyAfterAny, 1))
	b.store.submit(5, dependency(api.DependencyAfter, 1))
	b.store.submit(6, func(r *api.JobRecord) {
		r.Job.Spec.Array = "1-2"
		r.Job.Spec.Dependencies = []api.Dependency{{Kind: api.DependencyAfterCorr, On: 1, OnIndex: api.NoIndex}}
	})
	b.store.submit(7, func(r *api.JobRecord) {
		r.Job.Spec.Dependencies = []api.Dependency{{Kind: api.DependencyAfterOK, On: 1, OnIndex: 1}}
	})
	b.step()
	require.Len(t, b.store.livePods(), 3, "the array and the one that follows its start")
	b.end(key(5, -1, 1), api.PodCompleted, &api.PodExit{})

	b.end(key(1, 1, 1), api.PodCompleted, &api.PodExit{})
	require.Contains(t, b.store.pods, key(6, 1, 1), "its counterpart completed")
	require.Contains(t, b.store.pods, key(7, -1, 1), "the task that it waits for completed")
	require.Len(t, b.store.livePods(), 3)

	b.end(key(1, 0, 1), api.PodFailed, &api.PodExit{Code: 1})
	require.Equal(t, api.JobCancelled, b.store.job(2).Job.Status.State)
	require.Equal(t, api.ReasonDependencyNever, b.store.job(2).Job.Status.Reason)
	require.Equal(t, api.JobRunning, b.store.job(3).Job.Status.State)
	require.Equal(t, api.JobRunning, b.store.job(4).Job.Status.State)
	require.EqualValues(t, 1, b.store.job(6).Job.Status.Counts.Cancelled, "task 2 has no counterpart")
}

func TestTheStoredMessageFollowsTheDependencyThatIsOpen(t *testing.T) {
	t.Parallel()
	b := setup(t, "n1")
	b.store.submit(1, nil)
	b.store.submit(2, nil)
	b.store.submit(3, func(r *api.JobRecord) {
		for _, on := range []api.JobID{1, 2} {
			r.Job.Spec.Dependencies = append(r.Job.Spec.Dependencies,
				api.Dependency{Kind: api.DependencyAfterAny, On: on, OnIndex: api.NoIndex})
		}
	})
	b.step()
	require.Equal(t, "waits for job 1 to end", b.store.job(3).Job.Status.Message)
	b.end(key(1, -1, 1), api.PodCompleted, &api.PodExit{})
	b.pass(time.Second)
	require.Equal(t, "waits for job 2 to end", b.store.job(3).Job.Status.Message)
}

func TestWholeCoresAreToldInTheJobsRecord(t *testing.T) {
	t.Parallel()
	b := setup(t, "n1")
	node := b.store.nodes["n1"]
	for i := range node.Status.Inventory.Topology {
		node.Status.Inventory.Topology[i].Core = i / 2
	}
	b.store.submit(1, nil)
	b.store.submit(2, func(r *api.JobRecord) { // two CPUs are a core
		c := &r.Job.Spec.Roles[0].Template.Containers[0]
		c.Requests.CPUMillis, c.Limits.CPUMillis = 2000, 2000
	})
	b.step()
	var told []string
	for _, c := range b.store.commits {
		for _, u := range c.Jobs {
			for _, e := range u.Events {
				told = append(told, e.Object+": "+e.Message)
			}
		}
	}
	require.Equal(t, []string{"1: asked for 1 CPUs and gets 2: whole cores of n1"}, told)
}

func TestSingletonWaitsForNamesakes(t *testing.T) {
	t.Parallel()
	b := setup(t, "n1")
	single := func(r *api.JobRecord) {
		r.Job.Spec.Dependencies = []api.Dependency{{Kind: api.DependencySingleton, OnIndex: api.NoIndex}}
	}
	b.store.submit(1, single)
	b.store.submit(2, single)
	b.step()
	require.Len(t, b.store.livePods(), 1)
	b.store.submit(3, single) // the feed tells of 2 again, and it waits all the same
	b.pass(time.Second)
	require.Len(t, b.store.livePods(), 1)
	b.end(key(1, -1, 1), api.PodCompleted, &api.PodExit{})
	require.Equal(t, key(2, -1, 1), b.store.livePods()[0].Key)
}

func TestBeginTimeAndHoldAndGenerations(t *testing.T) {
	t.Parallel()
	b := setup(t, "n1")
	at := noon.Add(10 * time.Second)
	b.store.submit(1, func(r *api.JobRecord) { r.Job.Spec.BeginAt = &at })
	b.store.submit(2, func(r *api.JobRecord) { r.Job.Spec.Hold = true })
	b.step()
	require.Empty(t, b.store.livePods())
	require.Equal(t, api.ReasonBeginTime, b.store.job(1).Job.Status.Reason)
	require.Equal(t, api.ReasonHeld, b.store.job(2).Job.Status.Reason)
	require.Nil(t, b.store.job(2).Job.Status.EligibleAt)
	b.pass(10 * time.Second)
	require.Len(t, b.store.livePods(), 1)
	b.store.change(2, func(r *api.JobRecord) { r.Job.Spec.Hold = false; r.Job.Generation++ })
	b.step()
	require.Len(t, b.store.livePods(), 2)
}

func TestLostAnswerOfACommitPlacesNothingTwice(t *testing.T) {
	t.Parallel()
	b := setup(t, "n1")
	b.step()
	b.store.submit(1, array("0-3"))
	b.store.lost = true
	b.loop.Step(context.Background())
	b.pass(time.Second)
	require.Len(t, b.store.livePods(), 4)
	require.EqualValues(t, 2, b.loop.Metrics().Loads)
}

func TestASecondServerTakesOverAndTheFirstStepsDown(t *testing.T) {
	t.Parallel()
	b := setup(t, "n1")
	b.step()
	second := b.newLoop("server-2")
	second.Step(context.Background())
	for range 30 {
		b.clock.Advance(time.Second)
		b.step()
		second.Step(context.Background())
	}
	_, leads := second.Leading()
	require.False(t, leads, "the first renews")

	for range 11 { // the first is paused
		b.clock.Advance(time.Second)
		second.Step(context.Background())
	}
	term, leads := second.Leading()
	require.True(t, leads)
	require.EqualValues(t, 2, term)

	b.store.submit(1, nil)
	b.loop.Step(context.Background())
	_, leads = b.loop.Leading()
	require.False(t, leads)
	require.Empty(t, b.store.livePods())
	second.Step(context.Background())
	require.EqualValues(t, 2, b.store.livePods()[0].Term)
}

func TestRunAnswersTheBellAndGivesUpTheLead(t *testing.T) {
	t.Parallel()
	b := setup(t, "n1")
	bell := make(chan struct{}, 1)
	l, err := loop.New(loop.Options{
		Store: b.store, Election: b.store, Clock: b.clock, Logger: slog.New(slog.DiscardHandler), Holder: "server-1",
		Rand: rand.New(rand.NewPCG(1, 2)), Bell: bell,
	})
	require.NoError(t, err)
	l.Stepped.Init()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- l.Run(ctx) }()
	l.Stepped.Wait(t)
	b.store.submit(1, nil)
	bell <- struct{}{}
	for l.Stepped.Wait(t).Binds == 0 {
	}
	require.Len(t, b.store.livePods(), 1)
	cancel()
	require.NoError(t, <-done)
	require.Empty(t, b.store.leader.Holder, "the next one need not wait")
}

func TestExplain(t *testing.T) {
	t.Parallel()
	b := setup(t, "n1")
	_, err := b.loop.Explain(context.Background(), 1, api.NoIndex)
	require.ErrorIs(t, err, api.ErrNotLeader)
	b.store.submit(1, array("0-4"))
	b.step()
	e, err := b.loop.Explain(context.Background(), 1, 4)
	require.NoError(t, err)
	require.Equal(t, api.ReasonResources, e.Reasons[0].Reason)
	require.NotNil(t, e.PredictedStart)

	b.run(key(1, 0, 1))
	b.step()
	e, err = b.loop.Explain(context.Background(), 1, 0)
	require.NoError(t, err)
	require.Equal(t, "1_0 has run on n1 for a moment", e.Summary)

	b.store.change(1, func(r *api.JobRecord) {
		r.Indices = []api.JobIndex{{Instance: api.Instance{Owner: 1, Index: 4}, Ordinal: 4, CancelWanted: true}}
	})
	b.step()
	e, err = b.loop.Explain(context.Background(), 1, 4)
	require.NoError(t, err)
	require.Equal(t, "1_4 was cancelled before it started", e.Summary, "though its job runs")
	require.Equal(t, string(api.JobCancelled), e.State)
	require.Empty(t, b.store.job(1).Job.Status.Message, "nothing of the job waits any more")

	b.store.submit(2, nil)
	e, err = b.loop.Explain(context.Background(), 2, api.NoIndex)
	require.NoError(t, err)
	require.Equal(t, "job 2 is pending: the scheduler has not looked at it yet", e.Summary)
	b.step()
	b.store.change(2, func(r *api.JobRecord) { r.CancelWanted, r.CancelBy = true, "ann" })
	b.step()
	e, err = b.loop.Explain(context.Background(), 2, api.NoIndex)
	require.NoError(t, err)
	require.Equal(t, "job 2 is cancelled: cancelled by ann", e.Summary)
	_, err = b.loop.Explain(context.Background(), 9, api.NoIndex)
	require.ErrorIs(t, err, api.ErrNotFound)
}

func TestCheckFeasible(t *testing.T) {
	t.Parallel()
	b := setup(t, "n1")
	require.NoError(t, b.loop.CheckFeasible(context.Background(), api.JobSpec{}), "does not lead and can't know")
	b.step()
	b.store.submit(1, nil)
	spec := b.store.job(1).Job.Spec
	require.NoError(t, b.loop.CheckFeasible(context.Background(), spec))
	spec.Roles[0].Template.Containers[0].Requests.CPUMillis = 64_000
	err := b.loop.CheckFeasible(context.Background(), spec)
	require.Equal(t, api.CodeImpossible, api.CodeOf(err))
	require.ErrorContains(t, err, "the nearest, n1, has 4 CPUs")
}

func TestExplainBesideSteps(t *testing.T) {
	t.Parallel()
	b := setup(t, "n1", "n2")
	b.store.submit(1, array("0-99%8"))
	b.step()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 200 {
			_, err := b.loop.Explain(context.Background(), 1, 99)
			if err == nil {
				err = b.loop.CheckFeasible(context.Background(), b.store.job(1).Job.Spec)
			}
			if err != nil {
				t.Error(err)
			}
			b.loop.Metrics()
		}
	}()
	for !b.store.job(1).Job.Status.State.Ended() {
		for _, p := range b.store.livePods() {
			b.store.report(p.Key, api.PodEvent{State: api.PodCompleted, At: noon, Exit: &api.PodExit{}})
		}
		b.loop.Step(context.Background())
	}
	<-done
	require.EqualValues(t, 100, b.store.job(1).Job.Status.Counts.Completed)
}
