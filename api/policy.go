package api

// Account is the tenant: shares, quotas and names live within one.
type Account struct {
	Name       string      `json:"name"`
	Generation int64       `json:"generation"`
	Spec       AccountSpec `json:"spec"`
}

// AccountSpec is what admins decide about an account.
type AccountSpec struct {
	Parent      string `json:"parent,omitempty"`
	Description string `json:"description,omitempty"`
}

// User is a person with a Unix identity, a member of accounts.
type User struct {
	Name       string   `json:"name"`
	Generation int64    `json:"generation"`
	Spec       UserSpec `json:"spec"`
}

// UserSpec is what admins decide about a user. The Unix identity comes from the server's name
// service or the peer's credentials, never from a request.
type UserSpec struct {
	UID            int64    `json:"uid"`
	Admin          bool     `json:"admin,omitempty"`
	Accounts       []string `json:"accounts"`
	DefaultAccount string   `json:"default_account"`
}

// QOS is a named policy level.
type QOS struct {
	Name       string  `json:"name"`
	Generation int64   `json:"generation"`
	Spec       QOSSpec `json:"spec"`
}

// QOSSpec is what a QOS means.
type QOSSpec struct {
	// Priority orders before everything else: higher goes first.
	Priority int64 `json:"priority"`
}

// Partition is a named set of nodes with limits and defaults.
type Partition struct {
	Name       string        `json:"name"`
	Generation int64         `json:"generation"`
	Spec       PartitionSpec `json:"spec"`
}

// PartitionSpec is what a partition means. Zero values take the cluster's defaults.
type PartitionSpec struct {
	// Default: jobs that name no partition go here. At most one partition is the default.
	Default bool `json:"default,omitempty"`
	// Down: accepts jobs but starts none.
	Down bool `json:"down,omitempty"`
	// NodeNames lists the nodes; empty means all.
	NodeNames []string `json:"node_names,omitempty"`
	// Priority orders between partitions, after QOS.
	Priority int64 `json:"priority,omitempty"`
	// Defaults and limits for jobs.
	DefaultTimeSeconds       int64 `json:"default_time_seconds,omitempty"`
	MaxTimeSeconds           int64 `json:"max_time_seconds,omitempty"`
	DefaultMemoryPerCPUBytes int64 `json:"default_memory_per_cpu_bytes,omitempty"`
}

// The cluster's defaults, used where job and partition are silent; submit says which it used.
const (
	DefaultName               = "default" // account, QOS and partition at first start
	DefaultCPUs         int64 = 1
	DefaultMemoryPerCPU int64 = 2 << 30
	DefaultTimeSeconds  int64 = 3600
	DefaultGraceSeconds int64 = 30
)
