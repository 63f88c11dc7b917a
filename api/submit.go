package api

import "time"

// JobSubmit is the body of POST /v1/jobs.
type JobSubmit struct {
	// RequestID makes a repeated submit after a lost answer return the first job (a UUID).
	RequestID string  `json:"request_id,omitempty"`
	Spec      JobSpec `json:"spec"`
	Payload   Payload `json:"payload"`
}

// JobUpdate is the body of PATCH /v1/jobs/{id}: nil fields stay as they are.
type JobUpdate struct {
	Name             *string    `json:"name,omitempty"`
	Hold             *bool      `json:"hold,omitempty"`
	Nice             *int64     `json:"nice,omitempty"`
	TimeLimitSeconds *int64     `json:"time_limit_seconds,omitempty"`
	ArrayLimit       *int64     `json:"array_limit,omitempty"`
	BeginAt          *time.Time `json:"begin_at,omitempty"`
	Comment          *string    `json:"comment,omitempty"`
	Partition        *string    `json:"partition,omitempty"`
	QOS              *string    `json:"qos,omitempty"`
	// Requests replaces the main container's requests and limits of a waiting job.
	Requests *Resources `json:"requests,omitempty"`
}

// SubmitParams is a job on its way into the store: the spec is final (owner and defaults filled).
type SubmitParams struct {
	Submit JobSubmit
	// Size is the number of array tasks, 1 for a job that is no array.
	Size int64
	Now  time.Time
}
