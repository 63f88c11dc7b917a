package api

import "time"

// Node is a machine with a kubelet.
type Node struct {
	Name string `json:"name"`
	// Generation changes with inventory or schedulability, never with a heartbeat.
	Generation int64      `json:"generation"`
	Spec       NodeSpec   `json:"spec"`
	Status     NodeStatus `json:"status"`
}

// NodeSpec is what admins decide about a node.
type NodeSpec struct {
	// Unschedulable: no new pods (cordon, drain), with who said so and why.
	Unschedulable bool              `json:"unschedulable,omitempty"`
	Reason        string            `json:"reason,omitempty"`
	Labels        map[string]string `json:"labels,omitempty"`
}

// NodeState says whether the node's kubelet is heard.
type NodeState string

// The node states. Only the leader writes them, from the leases that it sees.
const (
	NodeReady   NodeState = "ready"
	NodeSuspect NodeState = "suspect" // not heard for a while: no new pods, its pods are left alone
	NodeDown    NodeState = "down"    // given up: its pods are failed and placed elsewhere
)

// NodeStatus is what the kubelet reports and what the leader concludes.
type NodeStatus struct {
	State      NodeState   `json:"state"`
	Since      time.Time   `json:"since"`
	Inventory  Inventory   `json:"inventory"`
	Conditions []Condition `json:"conditions,omitempty"`
	// BootID changes with every boot of the machine, KubeletVersion with every upgrade.
	BootID         string    `json:"boot_id"`
	KubeletVersion string    `json:"kubelet_version"`
	RegisteredAt   time.Time `json:"registered_at"`
}

// Inventory is what a machine has.
type Inventory struct {
	Architecture string `json:"architecture"`
	Kernel       string `json:"kernel"`
	OS           string `json:"os"`
	Hostname     string `json:"hostname"`
	CPUModel     string `json:"cpu_model"`
	// Topology lists the hardware threads that we may give out, in order of id.
	Topology []CPU `json:"topology"`
	// NUMANodes with their memory.
	NUMANodes []NUMANode `json:"numa_nodes,omitempty"`
	// Capacity is all, Allocatable what is ours to give.
	Capacity    Resources `json:"capacity"`
	Allocatable Resources `json:"allocatable"`
	Disks       []Disk    `json:"disks,omitempty"`
	// CgroupMode is v2, hybrid, v1 or none.
	CgroupMode string `json:"cgroup_mode"`
}

// CPU is one hardware thread.
type CPU struct {
	ID     int `json:"id"`
	Core   int `json:"core"` // unique over the machine: threads of one core share it
	Socket int `json:"socket"`
	NUMA   int `json:"numa"`
}

// NUMANode is a memory domain.
type NUMANode struct {
	ID          int   `json:"id"`
	MemoryBytes int64 `json:"memory_bytes"`
}

// Disk is a mounted local file system.
type Disk struct {
	Path       string `json:"path"`
	Filesystem string `json:"filesystem"`
	Bytes      int64  `json:"bytes"`
	FreeBytes  int64  `json:"free_bytes"`
}

// Condition is a named fact about an object that people should know. Conditions are listed only
// while they hold.
type Condition struct {
	// Type is a stable snake_case word such as memory_limit_not_enforced.
	Type    string    `json:"type"`
	Message string    `json:"message"`
	Since   time.Time `json:"since"`
}
