package service

import "time"

// Status is what an operator sees of a loop: whether it runs, how its last run went, and since
// when it fails. It is a plain value; the copy that Loop.Status returns does not change.
type Status struct {
	Name    string
	Running bool
	// Runs counts finished runs since the program started.
	Runs uint64
	// LastStart is the wall time of the last finished run's start; zero before the first.
	LastStart time.Time
	// LastDuration is how long the last finished run took.
	LastDuration time.Duration
	// LastError is the last run's error, nil when it went well.
	LastError error
	// LastSuccess is the start of the last run that went well; zero when none did.
	LastSuccess time.Time
	// FailuresInARow counts failed runs since the last one that went well.
	FailuresInARow int
}

func (l *Loop) record(start time.Time, took time.Duration, err error) Status {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := &l.status
	s.Runs++
	s.LastStart, s.LastDuration, s.LastError = start, took, err
	if err == nil {
		s.LastSuccess, s.FailuresInARow = start, 0
	} else {
		s.FailuresInARow++
	}
	return *s
}

func (l *Loop) stopped() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.status.Running = false
}
