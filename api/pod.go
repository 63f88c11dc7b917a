package api

import "time"

// Pod is one placed attempt of one instance on one node. The row exists from the moment of
// placement, never before. Its life is three writes: bound (leader), running and ended (reports);
// the leader's release closes the account.
type Pod struct {
	Key PodKey `json:"key"`
	// Ordinal is the dense ordinal of the instance in its job.
	Ordinal int64 `json:"ordinal"`
	// TaskID is the instance's own number (SLURM_JOB_ID): the job's id unless the job is an array.
	TaskID JobID         `json:"task_id"`
	Role   string        `json:"role"`
	Node   string        `json:"node"`
	State  PodState      `json:"state"`
	Class  ResourceClass `json:"resource_class"`
	// Resources are what is taken from the node, CPUs the exact CPU ids ("0-1,4"), empty for the
	// shared pool.
	Resources Resources `json:"resources"`
	CPUs      string    `json:"cpus,omitempty"`
	// Term is the leader's term that placed it.
	Term int64 `json:"term"`
	// TimeLimitSeconds may change while the pod runs.
	TimeLimitSeconds int64     `json:"time_limit_seconds"`
	BoundAt          time.Time `json:"bound_at"`
	// StartedAt and EndedAt are the node's times, ReleasedAt the leader's.
	StartedAt  *time.Time `json:"started_at,omitempty"`
	EndedAt    *time.Time `json:"ended_at,omitempty"`
	ReleasedAt *time.Time `json:"released_at,omitempty"`
	// Stop is set when the pod has to end before its time.
	Stop *PodStop `json:"stop,omitempty"`
	Exit *PodExit `json:"exit,omitempty"`
}

// NeverRan says of an attempt that ended that it did so before the user's program was started: the next
// attempt is the first run, and no restart.
func (p Pod) NeverRan() bool {
	switch p.State {
	case PodRefused, PodStartFailed, PodPreempted:
		return p.StartedAt == nil
	case PodBound, PodRunning, PodCompleted, PodFailed, PodTimeout, PodOutOfMemory, PodCancelled,
		PodNodeFailed, PodShimLost:
	}
	return false
}

// Live says whether the pod still holds its resources in the leader's books.
func (p Pod) Live() bool { return p.ReleasedAt == nil }

// PodStop is the order to end a pod. The node sends TERM, waits for the grace, then kills.
type PodStop struct {
	// State is the state to end in: cancelled or preempted (requeue counts as preempted).
	State        PodState `json:"state"`
	Reason       Reason   `json:"reason"`
	GraceSeconds int64    `json:"grace_seconds"`
	By           string   `json:"by,omitempty"`
}

// PodExit is how a pod ended.
type PodExit struct {
	// Code is the exit code of the main process, or 128 + signal. Signal is 0 for an ordinary exit.
	Code   int `json:"code"`
	Signal int `json:"signal,omitempty"`
	// Reason refines the state; Message is a sentence for people ("killed at 512 of 512 MiB").
	Reason  Reason `json:"reason,omitempty"`
	Message string `json:"message,omitempty"`
	Usage   Usage  `json:"usage"`
}

// Usage is what a pod has used.
type Usage struct {
	CPUSeconds       float64 `json:"cpu_seconds"`
	CPUUserSeconds   float64 `json:"cpu_user_seconds"`
	CPUSystemSeconds float64 `json:"cpu_system_seconds"`
	// PeakMemoryBytes is the peak resident memory without page cache.
	PeakMemoryBytes int64 `json:"peak_memory_bytes"`
	// ElapsedSeconds runs from the start of the main process to its end, on the node's clock.
	ElapsedSeconds float64 `json:"elapsed_seconds"`
	// Missing names what could not be measured, so that a zero is never mistaken for a value.
	Missing []string `json:"missing,omitempty"`
}

// PodSignal is a request to send a signal to a live pod.
type PodSignal struct {
	ID     int64  `json:"id"`
	Key    PodKey `json:"key"`
	Signal string `json:"signal"`
	// BatchOnly sends it to the main process alone, else to all processes of the pod.
	BatchOnly bool `json:"batch_only,omitempty"`
}
