package shimapi

// Op is a request's verb.
type Op string

// The verbs.
const (
	OpStatus   Op = "status"   // answers State
	OpStop     Op = "stop"     // Signal to all, Grace, then KILL of the group
	OpSignal   Op = "signal"   // Signal to To
	OpDeadline Op = "deadline" // move Deadline to BoottimeNS
	OpWait     Op = "wait"     // answers Exit when the pod has ended
	OpAttach   Op = "attach"   // answers, then both sides send frames; the last one holds Exit
)

// Target says which processes a signal goes to.
type Target string

// The targets.
const (
	TargetMain   Target = "main"   // the main process alone
	TargetAll    Target = "all"    // every process of the pod
	TargetOthers Target = "others" // every process but the main one, or that if it is alone
)

// Deadline says which deadline a request moves.
type Deadline string

// The deadlines.
const (
	DeadlineTimeLimit Deadline = "time_limit"
	DeadlineLease     Deadline = "lease"
)

// Request is one line from a client. A connection may send several, one after the other.
type Request struct {
	Version    int      `json:"version"`
	Op         Op       `json:"op"`
	Reason     Reason   `json:"reason,omitempty"`
	Signal     int      `json:"signal,omitempty"` // stop: 0 is TERM
	GraceMS    int64    `json:"grace_ms,omitempty"`
	To         Target   `json:"to,omitempty"`
	Deadline   Deadline `json:"deadline,omitempty"`
	BoottimeNS int64    `json:"boottime_ns,omitempty"` // 0 removes the deadline
}

// Response is one line from the shim.
type Response struct {
	Version int         `json:"version"`
	Error   string      `json:"error,omitempty"`
	State   *State      `json:"state,omitempty"`
	Exit    *ExitRecord `json:"exit,omitempty"`
}

// Channel names what a frame carries.
type Channel string

// The channels.
const (
	ChannelStdin  Channel = "stdin"
	ChannelStdout Channel = "stdout"
	ChannelStderr Channel = "stderr"
	ChannelExit   Channel = "exit"
)

// Frame is one line of an attached connection, in either direction.
type Frame struct {
	Channel Channel     `json:"channel"`
	Data    []byte      `json:"data,omitempty"`
	EOF     bool        `json:"eof,omitempty"`  // the channel ended
	Exit    *ExitRecord `json:"exit,omitempty"` // the last frame
}
