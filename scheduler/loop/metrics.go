package loop

import "time"

// Metrics are the loop's counters since the process started; durations are of the last step and of
// all steps together.
type Metrics struct {
	Steps       uint64
	FailedSteps uint64
	Cycles      uint64
	Evaluations uint64
	Binds       uint64
	Refused     uint64 // units that the store refused
	BadPlans    uint64 // plans that broke an invariant
	Loads       uint64 // of the whole world
	LastStep    time.Duration
	StepTime    time.Duration
	// Waiting and Live are gauges: instances of open jobs.
	Waiting, Live int64
}

// Metrics returns the counters as they are now.
func (l *Loop) Metrics() Metrics {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.metrics
}
