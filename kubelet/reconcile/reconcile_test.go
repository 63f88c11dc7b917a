package reconcile_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/kubelet/reconcile"
)

var (
	now  = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	key1 = api.PodKey{Instance: api.Instance{Owner: 1, Index: api.NoIndex}, Attempt: 1}
)

// assignment is pod 1 with one CPU and 1000 bytes on a node of two CPUs and 2000 bytes.
func assignment(change ...func(*api.PodAssignment)) api.PodAssignment {
	a := api.PodAssignment{
		Key: key1, State: api.PodBound, Resources: api.Resources{CPUMillis: 1000, MemoryBytes: 1000}, CPUs: "0",
		TimeLimitSeconds: 60,
	}
	for _, f := range change {
		f(&a)
	}
	return a
}

func state(s api.PodState) func(*api.PodAssignment) {
	return func(a *api.PodAssignment) { a.State = s }
}

func stop(s api.PodState) func(*api.PodAssignment) {
	return func(a *api.PodAssignment) { a.Stop = &api.PodStop{State: s, GraceSeconds: 30} }
}

// here is pod 1 as the node has it.
func here(phase reconcile.Phase, change ...func(*reconcile.Pod)) *reconcile.Pod {
	p := reconcile.Pod{Assignment: assignment(), Epoch: "a", Phase: phase, TimeLimitSeconds: 60}
	for _, f := range change {
		f(&p)
	}
	return &p
}

func input(want *api.PodAssignment, have *reconcile.Pod) reconcile.Input {
	in := reconcile.Input{
		Desired:     reconcile.Desired{Known: true, Epoch: "a", Pods: map[api.PodKey]api.PodAssignment{}},
		Pods:        map[api.PodKey]reconcile.Pod{},
		Allocatable: api.Resources{CPUMillis: 2000, MemoryBytes: 2000},
		Topology:    []api.CPU{{ID: 0}, {ID: 1}},
		Now:         now,
	}
	if want != nil {
		in.Desired.Pods[want.Key] = *want
	}
	if have != nil {
		in.Pods[have.Assignment.Key] = *have
	}
	return in
}

func TestDiff(t *testing.T) {
	t.Parallel()
	want := func(change ...func(*api.PodAssignment)) *api.PodAssignment {
		a := assignment(change...)
		return &a
	}
	foreign := func(p *reconcile.Pod) { p.Epoch = "before the restore" }
	told := func(grace int64) func(*reconcile.Pod) {
		stop := &api.PodStop{State: api.PodCancelled, GraceSeconds: grace}
		return func(p *reconcile.Pod) { p.Stopping = stop }
	}
	for _, c := range []struct {
		name  string
		want  *api.PodAssignment
		have  *reconcile.Pod
		verb  reconcile.Verb // empty: nothing to do
		state api.PodState
	}{
		{name: "a new pod starts", want: want(), verb: reconcile.VerbStart},
		{name: "one that is starting is left alone", want: want(), have: here(reconcile.PhaseStarting)},
		{
			name: "also with a stop, which follows when it runs", want: want(stop(api.PodCancelled)),
			have: here(reconcile.PhaseStarting),
		},
		{name: "a running one is left alone", want: want(state(api.PodRunning)), have: here(reconcile.PhaseRunning)},
		{
			name: "stop before the start", want: want(stop(api.PodCancelled)), verb: reconcile.VerbEnd,
			state: api.PodCancelled,
		},
		{
			name: "stop while delayed", want: want(stop(api.PodPreempted)), have: here(reconcile.PhaseDelayed),
			verb: reconcile.VerbEnd, state: api.PodPreempted,
		},
		{
			name: "stop while running", want: want(state(api.PodRunning), stop(api.PodCancelled)),
			have: here(reconcile.PhaseRunning), verb: reconcile.VerbStop,
		},
		{
			name: "a stop that was told is not told again", want: want(state(api.PodRunning), stop(api.PodCancelled)),
			have: here(reconcile.PhaseStopping, told(30)),
		},
		{
			name: "a changed stop is", want: want(state(api.PodRunning), stop(api.PodCancelled)),
			have: here(reconcile.PhaseStopping, told(90)), verb: reconcile.VerbStop,
		},
		{
			name: "a new time limit", want: want(state(api.PodRunning)),
			have: here(reconcile.PhaseRunning, func(p *reconcile.Pod) { p.TimeLimitSeconds = 30 }),
			verb: reconcile.VerbDeadline,
		},
		{
			name: "an ended one waits for its release", want: want(state(api.PodRunning)),
			have: here(reconcile.PhaseEnded),
		},
		{name: "released", have: here(reconcile.PhaseEnded), verb: reconcile.VerbForget},
		{name: "running and not wanted", have: here(reconcile.PhaseRunning), verb: reconcile.VerbKill},
		{name: "being killed", have: here(reconcile.PhaseStopping, func(p *reconcile.Pod) { p.Killed = true })},
		{name: "delayed and not wanted", have: here(reconcile.PhaseDelayed), verb: reconcile.VerbForget},
		{name: "starting and not wanted", have: here(reconcile.PhaseStarting)},
		{name: "of another epoch", have: here(reconcile.PhaseRunning, foreign), verb: reconcile.VerbOffer},
		{name: "ended in another epoch", have: here(reconcile.PhaseEnded, foreign), verb: reconcile.VerbOffer},
		{
			name: "offered and not answered",
			have: here(reconcile.PhaseRunning, foreign, func(p *reconcile.Pod) { p.OfferedTo = "a" }),
		},
		{
			name: "offered and refused",
			have: here(reconcile.PhaseRunning, foreign, func(p *reconcile.Pod) { p.Refused = true }),
			verb: reconcile.VerbKill,
		},
		{
			name: "given up by the store", want: want(state(api.PodNodeFailed)),
			have: here(reconcile.PhaseRunning), verb: reconcile.VerbKill,
		},
		{
			name: "never a second run of one attempt", want: want(state(api.PodRunning)),
			verb: reconcile.VerbEnd, state: api.PodNodeFailed,
		},
		{name: "ended in the store and gone here", want: want(state(api.PodCompleted))},
		{
			name: "too large", want: want(func(a *api.PodAssignment) { a.Resources.MemoryBytes = 2001 }),
			verb: reconcile.VerbEnd, state: api.PodRefused,
		},
		{
			name: "a CPU that is not offered", want: want(func(a *api.PodAssignment) { a.CPUs = "7" }),
			verb: reconcile.VerbEnd, state: api.PodRefused,
		},
		{
			name: "a CPU that is offered no longer", want: want(func(a *api.PodAssignment) { a.CPUs = "7" }),
			have: here(reconcile.PhaseDelayed, func(p *reconcile.Pod) { p.Assignment.CPUs = "7" }),
			verb: reconcile.VerbEnd, state: api.PodRefused,
		},
		{
			name: "too large by now", want: want(),
			have: here(reconcile.PhaseDelayed, func(p *reconcile.Pod) { p.Assignment.Resources.MemoryBytes = 2001 }),
			verb: reconcile.VerbEnd, state: api.PodRefused,
		},
		{
			name: "no list of CPUs", want: want(func(a *api.PodAssignment) { a.CPUs = "x" }),
			verb: reconcile.VerbEnd, state: api.PodRefused,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := reconcile.Diff(input(c.want, c.have))
			if c.verb == "" {
				require.Empty(t, got.Actions)
				return
			}
			require.Len(t, got.Actions, 1)
			require.Equal(t, c.verb, got.Actions[0].Verb)
			require.Equal(t, c.state, got.Actions[0].State)
			require.Equal(t, key1, got.Actions[0].Key)
		})
	}
}

func TestAPodThatMayHaveRunBeforeTheBootIsNotStarted(t *testing.T) {
	t.Parallel()
	a := assignment()
	in := input(&a, nil)
	in.Lost = map[api.PodKey]bool{key1: true}
	got := reconcile.Diff(in)
	require.Equal(t, reconcile.VerbEnd, got.Actions[0].Verb)
	require.Equal(t, api.PodNodeFailed, got.Actions[0].State)
}

func TestDelay(t *testing.T) {
	t.Parallel()
	a := assignment()
	delayed := here(reconcile.PhaseDelayed, func(p *reconcile.Pod) { p.NotBefore = now.Add(time.Second) })
	got := reconcile.Diff(input(&a, delayed))
	require.Empty(t, got.Actions)
	require.Equal(t, now.Add(time.Second), got.Wake)

	in := input(&a, delayed)
	in.Now = now.Add(time.Second)
	require.Equal(t, reconcile.VerbStart, reconcile.Diff(in).Actions[0].Verb)
}

func TestTheBooksCountWhatRunsAndWhatThisDiffStarts(t *testing.T) {
	t.Parallel()
	in := input(nil, nil)
	for n := int64(1); n <= 3; n++ {
		a := assignment(func(a *api.PodAssignment) { a.Key.Owner, a.CPUs = api.JobID(n), "" })
		in.Desired.Pods[a.Key] = a
	}
	got := reconcile.Diff(in)
	require.Len(t, got.Actions, 3)
	require.Equal(t, reconcile.VerbStart, got.Actions[0].Verb)
	require.Equal(t, reconcile.VerbStart, got.Actions[1].Verb)
	require.Equal(t, api.PodRefused, got.Actions[2].State)
	require.Contains(t, got.Actions[2].Message, "0 CPU millis")

	twice := assignment(func(a *api.PodAssignment) { a.Key.Owner = 2 })
	in = input(&twice, here(reconcile.PhaseRunning))
	in.Desired.Pods[key1] = assignment(state(api.PodRunning))
	got = reconcile.Diff(in)
	require.Len(t, got.Actions, 1)
	require.Equal(t, "CPU 0 belongs to pod 1#1", got.Actions[0].Message)
}

func TestNothingIsDecidedBeforeTheWelcome(t *testing.T) {
	t.Parallel()
	in := input(nil, here(reconcile.PhaseRunning))
	in.Desired.Known = false
	require.Empty(t, reconcile.Diff(in).Actions)
}

// TestAllSmallWorlds walks every combination of one pod's sides and checks what must never happen.
func TestAllSmallWorlds(t *testing.T) {
	t.Parallel()
	phases := []reconcile.Phase{
		"", reconcile.PhaseStarting, reconcile.PhaseDelayed, reconcile.PhaseRunning, reconcile.PhaseStopping,
		reconcile.PhaseEnded, reconcile.PhaseCleaning,
	}
	worlds := 0
	for _, wanted := range append([]api.PodState{""}, api.PodStates()...) {
		for _, phase := range phases {
			for bits := range 1 << 6 {
				bit := func(n int) bool { return bits&(1<<n) != 0 }
				in := world(wanted, phase, bit)
				got := reconcile.Diff(in)
				require.Equal(t, got, reconcile.Diff(in), "equal inputs, equal results")
				checkWorld(t, in, got)
				worlds++
			}
		}
	}
	require.Equal(t, 13*7*64, worlds)
}

func world(wanted api.PodState, phase reconcile.Phase, bit func(int) bool) reconcile.Input {
	in := input(nil, nil)
	if wanted != "" {
		a := assignment(state(wanted))
		if bit(0) {
			a.Stop = &api.PodStop{State: api.PodCancelled}
		}
		in.Desired.Pods[key1] = a
	}
	if phase != "" {
		p := here(phase, func(p *reconcile.Pod) {
			p.Refused, p.Killed = bit(1), bit(2)
			if bit(3) {
				p.Epoch = "other"
			}
			if bit(4) {
				p.OfferedTo = "a"
			}
		})
		in.Pods[key1] = *p
	}
	in.Desired.Known = !bit(5)
	return in
}

func checkWorld(t *testing.T, in reconcile.Input, got reconcile.Result) {
	t.Helper()
	want, desired := in.Desired.Pods[key1]
	have, known := in.Pods[key1]
	require.LessOrEqual(t, len(got.Actions), 1)
	if !in.Desired.Known {
		require.Empty(t, got.Actions)
	}
	for _, a := range got.Actions {
		switch a.Verb {
		case reconcile.VerbStart:
			require.True(t, desired && want.Stop == nil)
			require.Equal(t, api.PodBound, want.State)
			require.True(t, !known || have.Phase == reconcile.PhaseDelayed, "a second run")
		case reconcile.VerbKill, reconcile.VerbForget:
			given := desired && want.State.Ended() && a.Verb == reconcile.VerbKill
			require.True(t, known && (!desired || given), "a wanted pod is removed")
			require.True(t, given || have.Epoch == in.Desired.Epoch || have.Refused,
				"a pod of another epoch is removed unasked")
			if a.Verb == reconcile.VerbForget {
				require.NotContains(t, []reconcile.Phase{reconcile.PhaseRunning, reconcile.PhaseStopping}, have.Phase)
			}
		case reconcile.VerbOffer:
			require.True(t, !desired && have.Epoch != in.Desired.Epoch)
		case reconcile.VerbStop, reconcile.VerbDeadline:
			require.True(t, desired && known && (want.Stop != nil) == (a.Verb == reconcile.VerbStop))
		case reconcile.VerbEnd:
			require.True(t, a.State.Ended() && want.State.CanStep(a.State))
		}
	}
}
