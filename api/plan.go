package api

import "time"

// Plan is what one scheduling cycle decided: complete, immutable data that leaves the node no
// choice. What was not committed did not happen.
type Plan struct {
	Binds []Bind
	// Preempts and Holds free capacity and keep it for the one it was freed for.
	Preempts []Preempt
	Holds    []CapacityHold
	// Reasons are the changed main reasons of waiting jobs.
	Reasons []JobReason
	// Next says where to resume when the budget ended before the queue did; nil at the end.
	Next *CycleCursor
	// Evaluations counts node evaluations used of the budget.
	Evaluations int64
}

// Bind places one instance. Attempt and task id are the loop's business, not the cycle's.
type Bind struct {
	Job       JobID
	Ordinal   int64
	Rank      int32
	Role      int
	Node      string
	Class     ResourceClass
	Resources Resources
	// CPUs are exact CPU ids in list form ("0-1,4") for guaranteed pods, else empty.
	CPUs string
}

// Preempt ends a running pod of lower QOS for the sake of another job.
type Preempt struct {
	Pod PodKey
	For JobID
}

// CapacityHold keeps freed capacity for the job it was freed for.
type CapacityHold struct {
	Job       JobID
	Node      string
	Resources Resources
	Until     time.Time
}

// JobReason is the changed main reason of a waiting job.
type JobReason struct {
	Job     JobID
	Reason  Reason
	Message string
}

// CycleCursor resumes a cycle that ran out of budget: the job to go on with, in queue order.
type CycleCursor struct {
	After JobID
}

// Explanation answers "why is it not running?" (or why it ended so), for people and programs.
type Explanation struct {
	Job     JobID  `json:"job"`
	Index   int64  `json:"index"`
	State   string `json:"state"`
	Summary string `json:"summary"`
	// Reasons are all blocking reasons at once, main one first.
	Reasons []ExplainReason `json:"reasons"`
	// Rank is the place in the queue from 1, Ahead the number of waiting jobs before it.
	Rank  int   `json:"rank,omitempty"`
	Ahead int64 `json:"ahead,omitempty"`
	// PredictedStart is absent when nothing can be said.
	PredictedStart *time.Time `json:"predicted_start,omitempty"`
	// Suggestions are changes that would let it start now.
	Suggestions []string `json:"suggestions,omitempty"`
	// At is the time of the view that the answer was computed from.
	At time.Time `json:"at"`
}

// ExplainReason is one reason with the number of nodes (of those considered) that it rules out.
type ExplainReason struct {
	Reason  Reason `json:"reason"`
	Message string `json:"message"`
	Nodes   int    `json:"nodes,omitempty"`
	// Until is when the reason is expected to go, if known.
	Until *time.Time `json:"until,omitempty"`
}
