package api

import (
	"slices"
	"time"
)

// The events that Mail.Events may name. An array's events are the whole array's, unless
// MailArrayTasks asks for a mail per task.
const (
	MailBegin         = "begin"
	MailEnd           = "end"  // it ended, however
	MailFail          = "fail" // it ended otherwise than completed or cancelled
	MailRequeue       = "requeue"
	MailInvalidDepend = "invalid_depend" // a dependency can never be met
	MailTimeLimit     = "time_limit"
	MailTimeLimit90   = "time_limit_90" // so many percent of the time limit have passed
	MailTimeLimit80   = "time_limit_80"
	MailTimeLimit50   = "time_limit_50"
	MailArrayTasks    = "array_tasks"
)

// Wants says whether an event is to be mailed; a nil Mail wants none.
func (m *Mail) Wants(event string) bool { return m != nil && slices.Contains(m.Events, event) }

// MailNotice is a mail that is to be sent. The leader stores it together with what it tells of.
type MailNotice struct {
	ID  int64
	Job JobID
	// Index is the array task, or -1 for the whole job.
	Index int64
	// Attempt is the attempt of the instance that it is about, 0 for the job as a whole. Begin and
	// the time_limit_N wait for what this attempt does.
	Attempt int32
	Event   string
	// State is how the job or task ended, Message the sentence about it; both empty where nothing ended.
	State   string
	Message string
	At      time.Time
	// Tries counts failed attempts to send it.
	Tries int32
}
