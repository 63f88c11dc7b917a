package api

import "time"

// Job is batch work that ends.
type Job struct {
	ID JobID `json:"id"`
	// Generation counts the user's changes and is what If-Match compares. Status never raises it.
	Generation int64     `json:"generation"`
	Spec       JobSpec   `json:"spec"`
	Status     JobStatus `json:"status"`
}

// JobSpec is what the user wants. The server fills Owner and the defaults at submit.
type JobSpec struct {
	Name      string `json:"name"`
	Account   string `json:"account"`
	Partition string `json:"partition"`
	QOS       string `json:"qos"`
	// Owner is whom the pods run as; always set by the server from the caller's identity.
	Owner Identity `json:"owner"`
	// Nice lowers (positive) the priority; only admins may raise it with a negative one.
	Nice int64 `json:"nice,omitempty"`
	// Roles is the list of pod templates with counts; a plain job has one role of count 1.
	Roles []Role `json:"roles"`
	// Array is Slurm's array expression (0-999%50, 1,3,9-11, 0-20:4); empty for no array.
	Array string `json:"array,omitempty"`
	// Dependencies must all hold (or any, if DependencyAny) before an instance may start.
	Dependencies  []Dependency `json:"dependencies,omitempty"`
	DependencyAny bool         `json:"dependency_any,omitempty"`
	// KeepOnInvalidDependency keeps the job waiting when a dependency can never be met any more,
	// instead of cancelling it.
	KeepOnInvalidDependency bool `json:"keep_on_invalid_dependency,omitempty"`
	// Hold keeps the job from starting until it is released. HeldByAdmin: only an admin may release.
	Hold        bool `json:"hold,omitempty"`
	HeldByAdmin bool `json:"held_by_admin,omitempty"`
	// BeginAt is the earliest start.
	BeginAt *time.Time `json:"begin_at,omitempty"`
	// TimeLimitSeconds bounds the run time of each pod; at least 1.
	TimeLimitSeconds int64 `json:"time_limit_seconds"`
	// GraceSeconds lies between TERM and KILL at the limit, on cancel and on preemption.
	GraceSeconds int64 `json:"grace_seconds"`
	// Warning is a signal sent some time before the time limit.
	Warning *WarningSignal `json:"warning,omitempty"`
	// NoRequeue: end with the pod instead of requeueing after node failure or preemption.
	NoRequeue bool `json:"no_requeue,omitempty"`
	// RequeueExitCodes lists main-process exit codes upon which the instance is requeued.
	RequeueExitCodes []int `json:"requeue_exit_codes,omitempty"`
	// NodeNames, when not empty, are the only nodes to use; ExcludedNodes are never used.
	NodeNames     []string `json:"node_names,omitempty"`
	ExcludedNodes []string `json:"excluded_nodes,omitempty"`
	// Exclusive: no pod of another job on the same node.
	Exclusive bool   `json:"exclusive,omitempty"`
	Comment   string `json:"comment,omitempty"`
	WCKey     string `json:"wckey,omitempty"`
	Mail      *Mail  `json:"mail,omitempty"`
	// SubmitHost and SubmitDir tell where the job was submitted.
	SubmitHost string `json:"submit_host,omitempty"`
	SubmitDir  string `json:"submit_dir,omitempty"`
	// AllowFutureNodes accepts a job that no node of today could ever run.
	AllowFutureNodes bool `json:"allow_future_nodes,omitempty"`
	// Notes are sentences about what the server made of the request (defaults used, CPUs rounded
	// up to whole cores).
	Notes []string `json:"notes,omitempty"`
}

// Identity is a Unix identity as the server stored it at submit.
type Identity struct {
	User   string  `json:"user"`
	UID    int64   `json:"uid"`
	GID    int64   `json:"gid"`
	Groups []int64 `json:"groups,omitempty"`
	Home   string  `json:"home,omitempty"`
	Shell  string  `json:"shell,omitempty"`
}

// Role is a part of a job whose members share a template: one launcher, many workers.
type Role struct {
	Name     string      `json:"name"`
	Count    int32       `json:"count"`
	Template PodTemplate `json:"template"`
}

// PodTemplate is the form of a pod: containers, exactly one of them main.
type PodTemplate struct {
	Containers []Container `json:"containers"`
}

// Main returns the main container. A validated template has exactly one.
func (t PodTemplate) Main() Container {
	for _, c := range t.Containers {
		if c.Main {
			return c
		}
	}
	return Container{}
}

// Container is one program of a pod. With an empty Image it is a plain process of the user.
type Container struct {
	Name  string `json:"name"`
	Main  bool   `json:"main,omitempty"`
	Image string `json:"image,omitempty"`
	// Command is the argument vector. For a batch script it is empty, the payload's script is run
	// and Args are its arguments.
	Command []string `json:"command,omitempty"`
	Args    []string `json:"args,omitempty"`
	// Requests are reserved by the scheduler, Limits enforced by the node.
	Requests Resources `json:"requests"`
	Limits   Resources `json:"limits"`
	// WholeNodeMemory asks for all memory of the node (--mem=0).
	WholeNodeMemory bool   `json:"whole_node_memory,omitempty"`
	WorkingDir      string `json:"working_dir,omitempty"`
	// Stdin, Stdout and Stderr are path patterns with Slurm's replacement symbols (%j, %A, %a, …),
	// relative to WorkingDir. Empty: Stdin /dev/null, Stdout slurm-%j.out or slurm-%A_%a.out,
	// Stderr joined with Stdout.
	Stdin  string `json:"stdin,omitempty"`
	Stdout string `json:"stdout,omitempty"`
	Stderr string `json:"stderr,omitempty"`
	// Attach: standard streams go through the shim to an attached client instead of files.
	Attach bool `json:"attach,omitempty"`
	// AppendOutput opens output files for append at the first attempt too (--open-mode=append).
	AppendOutput bool `json:"append_output,omitempty"`
	// Umask and SoftLimits are the submitter's. A soft limit is named as in getrlimit(2) without
	// RLIMIT_ and in lower case; -1 is unlimited.
	Umask      int64            `json:"umask"`
	SoftLimits map[string]int64 `json:"soft_limits,omitempty"`
}

// Payload is the heavy and private part of a job: it is kept apart from the job's row and only its
// owner (and the nodes that run it) may read it, since an environment may hold keys.
type Payload struct {
	// Script is the batch script with its #! line; empty when the template has a command.
	Script []byte `json:"script,omitempty"`
	// Environment is a list of NAME=value, newlines allowed, in order.
	Environment []string `json:"environment,omitempty"`
	// LoginEnvironment: start from a login environment instead (--export=NONE).
	LoginEnvironment bool `json:"login_environment,omitempty"`
}

// WarningSignal is Slurm's --signal=[B:]NAME@seconds.
type WarningSignal struct {
	Signal        string `json:"signal"`
	BeforeSeconds int64  `json:"before_seconds"`
	// BatchOnly sends it to the batch script alone instead of the steps.
	BatchOnly bool `json:"batch_only,omitempty"`
}

// Mail says at which events of the job whom to mail.
type Mail struct {
	// Events are begin, end, fail, requeue, invalid_depend, time_limit, time_limit_90,
	// time_limit_80, time_limit_50, array_tasks.
	Events []string `json:"events"`
	User   string   `json:"user"`
}

// DependencyKind says what must have happened to the other job.
type DependencyKind string

// The dependency kinds, with Slurm's meaning.
const (
	DependencyAfter      DependencyKind = "after"      // it started or was cancelled (+minutes later)
	DependencyAfterAny   DependencyKind = "afterany"   // it ended
	DependencyAfterOK    DependencyKind = "afterok"    // it completed; of an array all tasks did
	DependencyAfterNotOK DependencyKind = "afternotok" // it ended otherwise
	DependencyAfterCorr  DependencyKind = "aftercorr"  // the task of the same index completed
	DependencySingleton  DependencyKind = "singleton"  // no earlier job of same name and user is left
)

// Dependency is one condition on another job.
type Dependency struct {
	Kind DependencyKind `json:"kind"`
	// On is the other job, 0 for singleton. OnIndex is its array task, or -1 for the whole job.
	On      JobID `json:"on,omitempty"`
	OnIndex int64 `json:"on_index"`
	// DelaySeconds counts from the other's start; only with "after".
	DelaySeconds int64 `json:"delay_seconds,omitempty"`
}

// JobCounts counts a job's instances by where they are. Waiting+Live+Done() is the size of the job.
type JobCounts struct {
	Waiting     int64 `json:"waiting"`
	Live        int64 `json:"live"` // bound or running, or ended and not yet settled
	Completed   int64 `json:"completed"`
	Failed      int64 `json:"failed"`
	Timeout     int64 `json:"timeout"`
	OutOfMemory int64 `json:"out_of_memory"`
	NodeFailed  int64 `json:"node_failed"`
	Cancelled   int64 `json:"cancelled"`
}

// Done is the number of instances that have ended for good.
func (c JobCounts) Done() int64 {
	return c.Completed + c.Failed + c.Timeout + c.OutOfMemory + c.NodeFailed + c.Cancelled
}

// JobStatus is what the system knows; only the leader writes it.
type JobStatus struct {
	State JobState `json:"state"`
	// Reason is why the job waits, or why it ended as it did. Message is the sentence for people.
	Reason  Reason `json:"reason,omitempty"`
	Message string `json:"message,omitempty"`
	// Waiting holds the dense ordinals of the instances that have no live pod and have not ended.
	Waiting Ranges `json:"waiting,omitempty"`
	// Released holds the ordinals that an aftercorr dependency lets go.
	Released Ranges    `json:"released,omitempty"`
	Counts   JobCounts `json:"counts"`
	// ExitCode is the highest of the ended instances, in the sense of PodExit.Code.
	ExitCode    int        `json:"exit_code"`
	SubmittedAt time.Time  `json:"submitted_at"`
	EligibleAt  *time.Time `json:"eligible_at,omitempty"`
	StartedAt   *time.Time `json:"started_at,omitempty"`
	EndedAt     *time.Time `json:"ended_at,omitempty"`
	// Restarts counts the requeues of a job that is no array.
	Restarts int32 `json:"restarts,omitempty"`
}

// Why is the sentence behind the job's reason. A job is stored without one until the scheduler has
// looked at it.
func (s JobStatus) Why() string {
	if s.Message == "" && s.Reason == ReasonSubmitted {
		return "the scheduler has not looked at it yet"
	}
	return s.Message
}

// JobIndex is the row of an instance that differs from its job; nothing else has one.
type JobIndex struct {
	Instance
	// Ordinal is the dense ordinal that stands in JobStatus.Waiting.
	Ordinal int64 `json:"ordinal"`
	// TaskID is the instance's own number, kept over attempts; 0 before the first placement.
	TaskID JobID `json:"task_id,omitempty"`
	// Attempt is the last attempt made; Retries counts those that used one of the job's retries.
	Attempt int32 `json:"attempt"`
	Retries int32 `json:"retries"`
	// Requested changes, written by the API server.
	Hold          bool `json:"hold,omitempty"`
	CancelWanted  bool `json:"cancel_wanted,omitempty"`
	RequeueWanted bool `json:"requeue_wanted,omitempty"`
	RequeueSeen   bool `json:"-"`
	// NotBefore is the end of a back-off; ExcludedNodes are nodes that refused or failed to start it.
	NotBefore     *time.Time `json:"not_before,omitempty"`
	ExcludedNodes []string   `json:"excluded_nodes,omitempty"`
}
