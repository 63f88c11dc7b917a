package api

import (
	"slices"
	"time"
)

// PodState is where a pod is. docs/states/pod.md shows the machine.
type PodState string

// The pod states.
const (
	PodBound       PodState = "bound"         // placed; the node has not reported a start
	PodRunning     PodState = "running"       // the main process has started
	PodCompleted   PodState = "completed"     // exit code 0
	PodFailed      PodState = "failed"        // another exit code, a signal, or a user's error at start
	PodTimeout     PodState = "timeout"       // stopped at its time limit
	PodOutOfMemory PodState = "out_of_memory" // killed at its memory limit
	PodCancelled   PodState = "cancelled"     // stopped since somebody cancelled it
	PodPreempted   PodState = "preempted"     // stopped for another job or for a requeue
	PodNodeFailed  PodState = "node_failed"   // its node is gone
	PodShimLost    PodState = "shim_lost"     // its shim died without a record
	PodRefused     PodState = "refused"       // the node did not take it (stale inventory)
	PodStartFailed PodState = "start_failed"  // failed before the user's first instruction: the node's fault
)

var podEnds = []PodState{
	PodCompleted, PodFailed, PodTimeout, PodOutOfMemory, PodCancelled, PodPreempted, PodNodeFailed,
	PodShimLost, PodRefused, PodStartFailed,
}

// podEdges holds every allowed step.
var podEdges = map[PodState][]PodState{
	PodBound: append([]PodState{PodRunning}, podEnds...),
	PodRunning: {
		PodCompleted, PodFailed, PodTimeout, PodOutOfMemory, PodCancelled, PodPreempted, PodNodeFailed, PodShimLost,
	},
}

// PodStates lists all states in the order of a pod's life.
func PodStates() []PodState { return append([]PodState{PodBound, PodRunning}, podEnds...) }

// CanStep says whether a pod may go from s to next.
func (s PodState) CanStep(next PodState) bool { return slices.Contains(podEdges[s], next) }

// Ended says whether s is final.
func (s PodState) Ended() bool { return slices.Contains(podEnds, s) }

// NodesFault says whether an end is the node's or the site's doing, not the job's: the instance is
// placed again without using a retry.
func (s PodState) NodesFault() bool {
	return s == PodRefused || s == PodStartFailed || s == PodShimLost || s == PodNodeFailed || s == PodPreempted
}

// TaskEnd is the end of an array task whose last pod ended so, as its dependents see it.
func (s PodState) TaskEnd() JobState {
	switch s {
	case PodCompleted:
		return JobCompleted
	case PodTimeout:
		return JobTimeout
	case PodOutOfMemory:
		return JobOutOfMemory
	case PodCancelled, PodPreempted:
		return JobCancelled
	case PodNodeFailed, PodShimLost, PodRefused, PodStartFailed:
		return JobNodeFailed
	case PodFailed, PodBound, PodRunning:
	}
	return JobFailed
}

// PodEvent is something that happened to a pod: the only way to change its state.
type PodEvent struct {
	State PodState
	// At is the time on the node (for running and the ends that it reports).
	At   time.Time
	Exit *PodExit
}

// Apply is the only writer of Pod.State. It returns the changed pod, or an error with
// CodeStaleAttempt when the machine has no such step. Repeating the last event changes nothing.
func (p Pod) Apply(e PodEvent) (Pod, error) {
	if p.State == e.State {
		return p, nil
	}
	if !p.State.CanStep(e.State) {
		return p, Errorf(CodeStaleAttempt, "pod %s is %s and can't become %s", p.Key, p.State, e.State)
	}
	at := e.At
	p.State = e.State
	if e.State == PodRunning {
		p.StartedAt = &at
		return p, nil
	}
	p.EndedAt = &at
	p.Exit = e.Exit
	return p, nil
}
