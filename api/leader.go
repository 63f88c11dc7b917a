package api

import "time"

// LeaderRow is the one row that says who leads. Term changes at takeover, beat at renewal.
type LeaderRow struct {
	Term   int64  `json:"term"`
	Holder string `json:"holder"`
	Beat   int64  `json:"beat"`
}

// World is everything that the leader keeps in memory, loaded once per term; Cursor is the feed
// position that it is true for.
type World struct {
	Epoch      string
	Cursor     Cursor
	Nodes      []Node
	Jobs       []JobRecord // every job that has not ended
	Pods       []Pod       // every pod that is not released
	Accounts   []Account
	Users      []User
	QOS        []QOS
	Partitions []Partition
}

// JobRecord is a job with what the leader needs beside it.
type JobRecord struct {
	Job Job
	// CancelWanted is the user's wish to end it; CancelBy who wished it. RequeueWanted likewise; it
	// is a counter: the leader has served RequeueServed of them.
	CancelWanted  bool
	CancelBy      string
	RequeueWanted int64
	RequeueServed int64
	// Indices are the instances that differ from the job.
	Indices []JobIndex
	// Dependencies stand in the order of Spec.Dependencies, each with what is known of the other.
	Dependencies []DependencyState
}

// DependencyState is a dependency with the state of the job that it looks at.
type DependencyState struct {
	Dependency
	// Met or Failed once the leader has settled it; neither while it is open.
	Met    bool
	Failed bool
	// OnState, OnStartedAt and OnEndedAt are the other job's (or task's); empty if it is unknown.
	OnState     JobState
	OnStartedAt *time.Time
	OnEndedAt   *time.Time
}

// Changes is what changed since a cursor, as current rows. A job that has ended is among Jobs with
// its ended state; a node that is gone is in RemovedNodes.
type Changes struct {
	Cursor       Cursor
	Jobs         []JobRecord
	Pods         []Pod
	Nodes        []Node
	RemovedNodes []string
	Accounts     []Account
	Users        []User
	QOS          []QOS
	Partitions   []Partition
	// RemovedPartitions, RemovedQOS: names that are gone.
	RemovedPartitions []string
	RemovedQOS        []string
}

// Commit is one batch of the leader, applied in one transaction fenced by its term. Each JobCommit
// holds or fails as a whole.
type Commit struct {
	Jobs []JobCommit
	// Nodes are the leader's conclusions about nodes (state, since).
	Nodes []NodeStateChange
	Now   time.Time
}

// JobCommit is all that the leader changes about one job in one batch.
type JobCommit struct {
	ID JobID
	// Generation guards binds: when the user changed the job since, the whole unit is refused.
	Generation int64
	// NodeGenerations guards binds likewise, by node name.
	NodeGenerations map[string]int64
	// Status replaces the job's status; RequeueServed goes with it.
	Status        JobStatus
	RequeueServed int64
	// Binds are new pods (state bound), Releases close the account of ended ones, Ends end pods
	// whose node is gone (node_failed), Stops order live pods to end.
	Binds    []Pod
	Releases []PodKey
	Ends     []PodEnd
	Stops    []PodStopOrder
	// Indices are upserted (the leader's columns only), DroppedIndices deleted.
	Indices        []JobIndex
	DroppedIndices []int64 // ordinals
	// Dependencies are settled ones, by position in the spec.
	Dependencies []DependencySettled
	Events       []Event
	// Mails are to be sent. A store without a mail controller beside it (the simulator's) drops them.
	Mails []MailNotice
}

// PodEnd ends a pod in the leader's name.
type PodEnd struct {
	Key   PodKey
	Event PodEvent
}

// PodStopOrder asks a pod's node to end it.
type PodStopOrder struct {
	Key  PodKey
	Stop PodStop
}

// DependencySettled is the leader's verdict on a dependency, for good.
type DependencySettled struct {
	Position int
	Met      bool
}

// NodeStateChange is the leader's conclusion about a node.
type NodeStateChange struct {
	Name  string
	State NodeState
	Since time.Time
}

// CommitResult says which job units were refused since the job or a node changed meanwhile; the
// loop reloads them and decides again.
type CommitResult struct {
	Refused []JobID
}

// Lease is what the leader sees of a node's renewals: it counts from seeing Seq change.
type Lease struct {
	Node   string
	BootID string
	Seq    int64
}
