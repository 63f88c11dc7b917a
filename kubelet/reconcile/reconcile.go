// Package reconcile decides what a node has to do: Diff compares what the store wants with what
// the node has and returns the actions that bring the two together. It is called after every
// change, with everything that is known, and remembers nothing: normal work, a reconnect and a
// restart of the kubelet take the same path.
//
// Words: desired is the node's pod set as the server sent it; a record is what the checkpoint on
// disk holds of a pod; observed is what the runtime sees of it now. A pod of the same epoch that
// isn't desired is over and is killed; one of another epoch (the store was restored from a backup)
// is offered: reported, and killed only if the store refuses it.
//
// It is pure: no clock, disk, network, lock or log; the node's own books are an argument.
package reconcile

import (
	"cmp"
	"slices"
	"time"

	"github.com/coxswain-hpc/coxswain/api"
)

// Phase is where a pod is on its node.
type Phase string

// The phases. A pod without a record has none.
const (
	PhaseStarting Phase = "starting" // steps or the start are under way
	PhaseDelayed  Phase = "delayed"  // the start waits for something of the node, see NotBefore
	PhaseRunning  Phase = "running"
	PhaseStopping Phase = "stopping" // told to end; it still runs
	PhaseEnded    Phase = "ended"    // no process is left; the end is known
	PhaseCleaning Phase = "cleaning" // what it left is being removed
)

// Desired is the store's word on this node.
type Desired struct {
	// Known is false until the first welcome since the kubelet started: then nothing is decided
	// about pods, and those that run do so.
	Known bool
	Epoch string
	Pods  map[api.PodKey]api.PodAssignment
}

// Pod is what the node has of a pod: its record and what is observed.
type Pod struct {
	Assignment api.PodAssignment
	// Epoch is the store epoch that the pod came from.
	Epoch string
	Phase Phase
	// NotBefore ends a delay.
	NotBefore time.Time
	// Stopping is the stop that the runtime was last told; TimeLimitSeconds the limit.
	Stopping         *api.PodStop
	TimeLimitSeconds int64
	// Refused: the store wants no part of this attempt.
	Refused bool
	// Killed: it is being killed. OfferedTo is the epoch that it was last offered to.
	Killed    bool
	OfferedTo string
}

// Holds says whether the pod takes room in the node's books.
func (p Pod) Holds() bool { return p.Phase != PhaseEnded && p.Phase != PhaseCleaning }

// Input is everything that a decision rests on.
type Input struct {
	Desired Desired
	// Lost are pods that the store had here before the machine was booted: they may have run.
	Lost        map[api.PodKey]bool
	Pods        map[api.PodKey]Pod
	Allocatable api.Resources
	Topology    []api.CPU
	Now         time.Time
}

// Verb says what an action does.
type Verb string

// The verbs.
const (
	// VerbStart: write the checkpoint, run the steps, start.
	VerbStart Verb = "start"
	// VerbEnd: the attempt ends without a start: report State and Reason.
	VerbEnd Verb = "end"
	// VerbStop: end the running pod in the order of its Stop.
	VerbStop Verb = "stop"
	// VerbDeadline: the time limit is another one now.
	VerbDeadline Verb = "deadline"
	// VerbOffer: the pod belongs to the new epoch if the store takes it: report where it is.
	VerbOffer Verb = "offer"
	// VerbKill: kill what runs, report nothing.
	VerbKill Verb = "kill"
	// VerbForget: remove everything that is left of it.
	VerbForget Verb = "forget"
)

// Action is one thing to do about one pod.
type Action struct {
	Verb       Verb
	Key        api.PodKey
	Assignment api.PodAssignment
	// State, Reason and Message of an end without a start.
	State   api.PodState
	Reason  api.Reason
	Message string
}

// Result is what Diff decides.
type Result struct {
	// Actions are in the order of pod keys, at most one for each pod.
	Actions []Action
	// Wake is when to look again without another change; zero for never.
	Wake time.Time
}

// Diff decides. Equal inputs give equal results.
func Diff(in Input) Result {
	if !in.Desired.Known {
		return Result{}
	}
	d := differ{in: in, books: newBooks(in)}
	for _, key := range keys(in) {
		d.pod(key)
	}
	return d.out
}

type differ struct {
	in    Input
	books *books
	out   Result
}

func (d *differ) pod(key api.PodKey) {
	want, desired := d.in.Desired.Pods[key]
	have, known := d.in.Pods[key]
	switch {
	case desired && known:
		d.both(want, have)
	case desired:
		d.unknownHere(want)
	default:
		d.notDesired(key, have)
	}
}

// both handles a pod that store and node know.
func (d *differ) both(want api.PodAssignment, have Pod) {
	switch have.Phase {
	case PhaseDelayed:
		d.delayed(want, have)
	case PhaseRunning, PhaseStopping:
		d.running(want, have)
	case PhaseStarting, PhaseEnded, PhaseCleaning:
		// Starting: wait, its stop follows when it runs. Ended: wait for the release.
	}
}

func (d *differ) delayed(want api.PodAssignment, have Pod) {
	if want.State != api.PodBound {
		return // the store has given it up: it must not start any more, and waits for its release
	}
	if want.Stop != nil {
		d.add(stopped(want))
		return
	}
	if d.in.Now.Before(have.NotBefore) {
		if d.out.Wake.IsZero() || have.NotBefore.Before(d.out.Wake) {
			d.out.Wake = have.NotBefore
		}
		return
	}
	if why := d.books.keep(want); why != "" {
		d.add(refused(want, why))
		return
	}
	d.add(Action{Verb: VerbStart, Key: want.Key, Assignment: want})
}

func (d *differ) running(want api.PodAssignment, have Pod) {
	switch {
	case want.State.Ended() && !have.Killed:
		// The store has given it up (the node was down for too long): another attempt may run.
		d.add(Action{Verb: VerbKill, Key: want.Key, Assignment: want})
	case want.State.Ended():
		// It is being killed.
	case want.Stop != nil && !sameStop(want.Stop, have.Stopping):
		d.add(Action{Verb: VerbStop, Key: want.Key, Assignment: want})
	case want.Stop == nil && have.Phase == PhaseRunning && want.TimeLimitSeconds != have.TimeLimitSeconds:
		d.add(Action{Verb: VerbDeadline, Key: want.Key, Assignment: want})
	}
}

func sameStop(a, b *api.PodStop) bool {
	return a != nil && b != nil && a.State == b.State && a.GraceSeconds == b.GraceSeconds
}

// stopped ends a pod that has not started in the state that its stop asks for.
func stopped(want api.PodAssignment) Action {
	return Action{
		Verb: VerbEnd, Key: want.Key, Assignment: want, State: want.Stop.State, Reason: want.Stop.Reason,
		Message: "stopped before it started",
	}
}

// unknownHere handles a pod of which the node has no trace.
func (d *differ) unknownHere(want api.PodAssignment) {
	switch {
	case want.State == api.PodRunning || want.State == api.PodBound && d.in.Lost[want.Key]:
		// It ran here once (or may have), and checkpoint and processes are gone: a second start would be a second
		// run of the same attempt.
		d.add(Action{
			Verb: VerbEnd, Key: want.Key, Assignment: want, State: api.PodNodeFailed,
			Reason: api.ReasonUnknownToNode, Message: "the node has no trace of this pod; its state was lost",
		})
	case want.State != api.PodBound:
		// Ended in the store: waits for its release only.
	case want.Stop != nil:
		d.add(stopped(want))
	default:
		d.admit(want)
	}
}

// refused ends a pod that does not fit into the node's own books.
func refused(want api.PodAssignment, why string) Action {
	return Action{
		Verb: VerbEnd, Key: want.Key, Assignment: want, State: api.PodRefused, Reason: api.ReasonStale, Message: why,
	}
}

// admit starts a pod that fits into the node's own books, and refuses one that doesn't.
func (d *differ) admit(want api.PodAssignment) {
	if why := d.books.take(want); why != "" {
		d.add(refused(want, why))
		return
	}
	d.add(Action{Verb: VerbStart, Key: want.Key, Assignment: want})
}

// notDesired handles a pod that only the node knows.
func (d *differ) notDesired(key api.PodKey, have Pod) {
	offer := have.Epoch != d.in.Desired.Epoch && !have.Refused
	over := have.Phase == PhaseEnded || have.Phase == PhaseDelayed
	busy := have.Phase == PhaseStarting || have.Phase == PhaseCleaning
	switch {
	case busy:
		// Looked at again when that is done.
	case offer && have.OfferedTo != d.in.Desired.Epoch:
		d.add(Action{Verb: VerbOffer, Key: key, Assignment: have.Assignment})
	case offer:
		// The store has not answered yet.
	case over:
		d.add(Action{Verb: VerbForget, Key: key, Assignment: have.Assignment})
	case !have.Killed:
		d.add(Action{Verb: VerbKill, Key: key, Assignment: have.Assignment})
	}
}

func (d *differ) add(a Action) { d.out.Actions = append(d.out.Actions, a) }

// keys lists all pods of both sides in a fixed order.
func keys(in Input) []api.PodKey {
	out := make([]api.PodKey, 0, len(in.Desired.Pods)+len(in.Pods))
	for key := range in.Desired.Pods {
		out = append(out, key)
	}
	for key := range in.Pods {
		if _, both := in.Desired.Pods[key]; !both {
			out = append(out, key)
		}
	}
	slices.SortFunc(out, compareKeys)
	return out
}

func compareKeys(a, b api.PodKey) int {
	return cmp.Or(cmp.Compare(a.Owner, b.Owner), cmp.Compare(a.Index, b.Index),
		cmp.Compare(a.Rank, b.Rank), cmp.Compare(a.Attempt, b.Attempt))
}
