package api

import "slices"

// JobState is where a job is. docs/states/job.md shows the machine.
type JobState string

// The job states.
const (
	JobPending     JobState = "pending"       // nothing of it runs, something waits
	JobRunning     JobState = "running"       // at least one instance is live
	JobCompleted   JobState = "completed"     // every instance ended with exit code 0
	JobFailed      JobState = "failed"        // some instance failed
	JobTimeout     JobState = "timeout"       // some instance reached its time limit, none failed
	JobOutOfMemory JobState = "out_of_memory" // some instance was killed for memory
	JobNodeFailed  JobState = "node_failed"   // some instance was lost with its node, not requeued
	JobCancelled   JobState = "cancelled"     // cancelled by somebody or by a dependency
)

// jobEdges holds every allowed step.
var jobEdges = map[JobState][]JobState{
	JobPending: {JobRunning, JobCancelled, JobFailed, JobCompleted, JobTimeout, JobOutOfMemory, JobNodeFailed},
	JobRunning: {JobPending, JobCompleted, JobFailed, JobTimeout, JobOutOfMemory, JobNodeFailed, JobCancelled},
}

// JobStates lists all states in the order of a job's life.
func JobStates() []JobState {
	return []JobState{
		JobPending, JobRunning, JobCompleted, JobFailed, JobTimeout, JobOutOfMemory, JobNodeFailed, JobCancelled,
	}
}

// CanStep says whether a job may go from s to next.
func (s JobState) CanStep(next JobState) bool { return slices.Contains(jobEdges[s], next) }

// Ended says whether s is final.
func (s JobState) Ended() bool { return len(jobEdges[s]) == 0 }
