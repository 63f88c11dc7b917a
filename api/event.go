package api

import "time"

// Kind names a noun in feeds, watches and events.
type Kind string

// The kinds.
const (
	KindJob       Kind = "job"
	KindPod       Kind = "pod"
	KindNode      Kind = "node"
	KindAccount   Kind = "account"
	KindUser      Kind = "user"
	KindQOS       Kind = "qos"
	KindPartition Kind = "partition"
	KindToken     Kind = "token"
	KindSignal    Kind = "signal"
)

// Event is a line in an object's history, for people.
type Event struct {
	ID   int64     `json:"id"`
	At   time.Time `json:"at"`
	Kind Kind      `json:"kind"`
	// Object is the id or name; Pod is set for events of one attempt.
	Object  string  `json:"object"`
	Pod     *PodKey `json:"pod,omitempty"`
	Reason  Reason  `json:"reason"`
	Message string  `json:"message"`
	// Actor is the user, node or "leader".
	Actor string `json:"actor"`
}

// Cursor is a position in the feed: a Postgres snapshot and the store's epoch. It is opaque outside
// the store; an empty cursor means "from now on".
type Cursor struct {
	Epoch    string `json:"epoch"`
	Snapshot string `json:"snapshot"`
}

// Touched lists what a transaction has touched, by kind. Readers fetch the current rows.
type Touched struct {
	Jobs []JobID `json:"jobs,omitempty"`
	// Pods are touched pods; Nodes also lists the nodes of those pods' streams.
	Pods  []PodKey `json:"pods,omitempty"`
	Nodes []string `json:"nodes,omitempty"`
	// ChangedNodes are those of Nodes whose own row has changed.
	ChangedNodes []string `json:"changed_nodes,omitempty"`
	Accounts     []string `json:"accounts,omitempty"`
	Users        []string `json:"users,omitempty"`
	QOS          []string `json:"qos,omitempty"`
	Partitions   []string `json:"partitions,omitempty"`
	Tokens       []string `json:"tokens,omitempty"`
	Signals      []int64  `json:"signals,omitempty"`
}

// Token is a bearer token or a one-time join token. Only its hash is stored.
type Token struct {
	ID string `json:"id"`
	// Use is user or join.
	Use       string     `json:"use"`
	User      string     `json:"user,omitempty"`
	CreatedAt time.Time  `json:"created_at"`
	ExpiresAt time.Time  `json:"expires_at"`
	UsedAt    *time.Time `json:"used_at,omitempty"`
	RevokedAt *time.Time `json:"revoked_at,omitempty"`
	CreatedBy string     `json:"created_by"`
	Comment   string     `json:"comment,omitempty"`
}
