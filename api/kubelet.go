package api

import "time"

// The control stream between a kubelet and a server: a WebSocket that the kubelet dials, JSON text
// messages. The first message of each side carries the protocol version. Unknown fields are ignored
// in both directions, so that versions can differ by one.

// KubeletProtocol is the version of the control stream.
const KubeletProtocol = 1

// KubeletMessage is what a kubelet sends; exactly one field beside Seq is set.
type KubeletMessage struct {
	Hello   *KubeletHello  `json:"hello,omitempty"`
	Renew   *KubeletRenew  `json:"renew,omitempty"`
	Report  *KubeletReport `json:"report,omitempty"`
	Fetch   *KubeletFetch  `json:"fetch,omitempty"`
	Signals []SignalResult `json:"signals,omitempty"`
	Node    *NodeStatus    `json:"node,omitempty"` // changed inventory or conditions
}

// KubeletHello opens the stream.
type KubeletHello struct {
	Protocol int        `json:"protocol"`
	Node     string     `json:"node"`
	Status   NodeStatus `json:"status"`
	// Epoch is the store epoch that the kubelet last worked for; empty at first.
	Epoch string `json:"epoch,omitempty"`
}

// KubeletRenew renews the node's lease. The kubelet counts its lease from sending it.
type KubeletRenew struct {
	Seq    int64  `json:"seq"`
	BootID string `json:"boot_id"`
}

// KubeletReport carries facts about pods out of the outbox. It is repeated until acknowledged.
type KubeletReport struct {
	Seq  int64       `json:"seq"`
	Pods []PodReport `json:"pods"`
}

// PodReport is a fact about one attempt.
type PodReport struct {
	Key   PodKey    `json:"key"`
	State PodState  `json:"state"`
	At    time.Time `json:"at"`
	// StartedAt rides along with an end, since a short pod reports once.
	StartedAt *time.Time `json:"started_at,omitempty"`
	Exit      *PodExit   `json:"exit,omitempty"`
}

// KubeletFetch asks for templates that the node does not have.
type KubeletFetch struct {
	Templates []string `json:"templates"`
}

// SignalResult acknowledges a PodSignal.
type SignalResult struct {
	ID    int64  `json:"id"`
	Error string `json:"error,omitempty"`
}

// ServerMessage is what a server sends.
type ServerMessage struct {
	Welcome   *ServerWelcome    `json:"welcome,omitempty"`
	Pods      []PodAssignment   `json:"pods,omitempty"`    // new or changed
	Removed   []PodKey          `json:"removed,omitempty"` // released: forget them
	Templates []KubeletTemplate `json:"templates,omitempty"`
	Signals   []PodSignal       `json:"signals,omitempty"`
	RenewAck  int64             `json:"renew_ack,omitempty"`
	ReportAck int64             `json:"report_ack,omitempty"`
	// Stale lists reported attempts that the store refuses: their processes are to be killed.
	Stale   []PodKey        `json:"stale,omitempty"`
	Session *SessionRequest `json:"session,omitempty"`
	// Error ends the stream: the kubelet shows it as a condition and dials again later.
	Error *Error `json:"error,omitempty"`
}

// ServerWelcome answers the hello with the whole pod set of the node: pods that the kubelet has and
// that are not in it are over (same epoch: kill; another epoch: offer them for adoption).
type ServerWelcome struct {
	Protocol   int             `json:"protocol"`
	Epoch      string          `json:"epoch"`
	Generation int64           `json:"generation"`
	Pods       []PodAssignment `json:"pods"`
	// RenewSeconds is how often to renew the lease.
	RenewSeconds int64 `json:"renew_seconds"`
}

// PodAssignment is a pod as its node needs it.
type PodAssignment struct {
	Key              PodKey        `json:"key"`
	Ordinal          int64         `json:"ordinal"`
	TaskID           JobID         `json:"task_id"`
	Role             string        `json:"role"`
	Class            ResourceClass `json:"resource_class"`
	Resources        Resources     `json:"resources"`
	CPUs             string        `json:"cpus,omitempty"`
	TimeLimitSeconds int64         `json:"time_limit_seconds"`
	State            PodState      `json:"state"`
	Stop             *PodStop      `json:"stop,omitempty"`
	// Template is the hash of the KubeletTemplate.
	Template string `json:"template"`
	// Restarts is SLURM_RESTART_COUNT.
	Restarts int32 `json:"restarts"`
}

// NodeAssignment is an assignment with what its node's stream needs to know beside it. A released
// pod is to be forgotten by its node.
type NodeAssignment struct {
	Node     string
	Released bool
	PodAssignment
}

// KubeletTemplate is what all pods of a job's role share, sent once per stream, named by the hash
// of its content. It holds the job's payload: nodes are trusted with what they run.
type KubeletTemplate struct {
	Hash    string  `json:"hash"`
	Job     JobID   `json:"job"`
	Spec    JobSpec `json:"spec"`
	Role    int     `json:"role"`
	Payload Payload `json:"payload"`
	Cluster string  `json:"cluster"`
	// ArraySize, ArrayMin, ArrayMax, ArrayStep are for SLURM_ARRAY_TASK_*; zero for no array.
	ArrayCount int64 `json:"array_count,omitempty"`
	ArrayMin   int64 `json:"array_min,omitempty"`
	ArrayMax   int64 `json:"array_max,omitempty"`
	ArrayStep  int64 `json:"array_step,omitempty"`
}

// SessionKind says what a session does.
type SessionKind string

// The session kinds.
const (
	SessionAttach SessionKind = "attach" // standard streams of an attached pod, both ways
	SessionLogs   SessionKind = "logs"   // an output file, read with the user's rights
)

// SessionRequest asks the kubelet to dial GET /v1/kubelet/sessions/{id} (a WebSocket) and serve.
type SessionRequest struct {
	ID   string      `json:"id"`
	Kind SessionKind `json:"kind"`
	Pod  PodKey      `json:"pod"`
	// Logs: which stream (stdout or stderr), from which byte, and whether to follow.
	Stream string `json:"stream,omitempty"`
	Offset int64  `json:"offset,omitempty"`
	Follow bool   `json:"follow,omitempty"`
	// Template and assignment, for pods that the kubelet has forgotten already (logs of ended pods).
	Assignment *PodAssignment   `json:"assignment,omitempty"`
	Source     *KubeletTemplate `json:"source,omitempty"`
}

// SessionFrame is one WebSocket message of a session (binary data rides in Data as base64 in JSON
// messages; kinds: stdout, stderr, stdin, stdin_eof, signal, exit, error, resize).
type SessionFrame struct {
	Kind   string   `json:"kind"`
	Data   []byte   `json:"data,omitempty"`
	Signal string   `json:"signal,omitempty"`
	Exit   *PodExit `json:"exit,omitempty"`
	State  PodState `json:"state,omitempty"`
	Error  *Error   `json:"error,omitempty"`
}
