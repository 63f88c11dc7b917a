// Package cgroup is the node's one door to control groups: it makes the group of a pod with its
// limits, gives the leaves that processes join, kills and measures groups, and removes them.
//
// Words: a hierarchy is one cgroup mount (v1 has one a controller, v2 has one for all). The tracker
// is a cgroup2 tree in which membership decides which processes are a pod's; a hybrid node has one
// without controllers beside its v1 hierarchies. The layout under our root is
//
//	<node>/<class>/pod-<id>-<attempt>/{main,step-N,exec-N}
//	<node>/shims
//
// with limits on the pod's directory and processes only in leaves. State lives in the file system
// alone, so a restarted kubelet sees what the one before made.
//
// Nothing outside this package may know the cgroup version. It starts no process and decides no
// limit. containerd/cgroups/v3 finds the mode and writes the limits, on v1 a controller at a time. Its
// managers join a process by its number, remove no parents and know no hybrid tracker, so groups are
// made, joined and removed here; they are read in package podgroup, which cox-shim shares.
package cgroup

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/coxswain-hpc/coxswain/kubelet/shim/shimapi"
)

// Mode says which cgroup layout a node has.
type Mode string

// The modes.
const (
	ModeV1     Mode = "v1"     // a hierarchy for each controller
	ModeHybrid Mode = "hybrid" // as v1, with a cgroup2 tree beside it that tracks processes
	ModeV2     Mode = "v2"     // one tree
	ModeNone   Mode = "none"   // none that we may write to
)

// Limit names something that a driver enforces or provides.
type Limit string

// The limits that a condition can name.
const (
	LimitCPUQuota  Limit = "cpu_quota"
	LimitCPUWeight Limit = "cpu_weight"
	LimitCPUSet    Limit = "cpuset"
	LimitMemory    Limit = "memory"
	LimitPids      Limit = "pids"
	LimitKill      Limit = "kill"  // finding every process of a pod, whatever it did
	LimitUsage     Limit = "usage" // CPU time and memory from the kernel's own accounting
)

// Condition is one thing that can't be enforced on this node, with a sentence that says why.
type Condition struct {
	Limit  Limit  `json:"limit"`
	Reason string `json:"reason"`
}

// Info is what a driver found out about its node.
type Info struct {
	Mode        Mode        `json:"mode"`
	Controllers []string    `json:"controllers"` // usable ones, sorted
	Conditions  []Condition `json:"conditions"`  // sorted by limit
}

// Pod names one attempt's group. Two attempts of one pod never share a group.
type Pod struct {
	Class   string // resource class: guaranteed, burstable or besteffort
	ID      string // letters, digits, dot, underscore and dash; at most NameBytesMax
	Attempt int    // not negative
}

// NameBytesMax bounds a class, a pod id and a leaf name; the kernel takes 255 with our decoration.
const NameBytesMax = 128

// Limits are a pod's limits. Zero means none. A limit that Info.Conditions names is not enforced.
type Limits struct {
	CPUMillis   int64  // quota in thousandths of a CPU
	CPUWeight   int64  // 1 to 10,000, as cgroup v2; 0 leaves the default of 100
	CPUSet      string // list of CPUs, for example "0-3,8"
	MemoryBytes int64  // of all processes together, page cache and swap included
	PidsMax     int64  // processes and threads
}

// Sentinel errors. They arrive wrapped with the name of the group.
var (
	ErrExists      = errors.New("pod group already exists")
	ErrNotFound    = errors.New("pod group does not exist")
	ErrInvalidName = errors.New("invalid name")
	ErrBusy        = errors.New("group still has processes")
)

// Driver makes and removes pod groups on one node. Calls for different pods may run at once; calls
// for one pod must not. A pod's group may vanish at any time, as a person with root may remove it.
type Driver interface {
	// Info is constant over the driver's life.
	Info() Info
	// Create makes the pod's group and sets its limits, or leaves nothing behind.
	Create(pod Pod, limits Limits) error
	// Leaf makes the leaf if needed and returns what a process needs to join it and a shim needs
	// to watch the pod.
	Leaf(pod Pod, leaf string) (shimapi.Cgroup, error)
	// Paths is as Leaf, without any leaf to join. It touches nothing, so the pod needn't exist.
	Paths(pod Pod) shimapi.Cgroup
	// Shims makes and returns the group that shims live in, outside every pod.
	Shims() (shimapi.Cgroup, error)
	// Kill kills every process of the pod and waits until the group is empty or ctx ends. Without
	// the condition "kill" nothing escapes it. A missing group is no error.
	Kill(ctx context.Context, pod Pod) error
	// WaitEmpty waits until no process is in the group or ctx ends.
	WaitEmpty(ctx context.Context, pod Pod) error
	// Remove removes the empty group, waiting briefly while the kernel lets go of the dead. It
	// gives ErrBusy if processes remain. A missing group is no error.
	Remove(ctx context.Context, pod Pod) error
	// Usage measures the pod. A missing group gives ErrNotFound.
	Usage(pod Pod) (shimapi.Usage, error)
	// List gives the groups of pods that exist in any hierarchy, sorted by class, id and attempt.
	List() ([]Pod, error)
	// Prune removes the node's own directories where no pod and no shim is left in them.
	Prune() error
}

var (
	namePattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)
	leafPattern = regexp.MustCompile(`^(main|(step|exec)-[0-9]{1,18})$`)
)

// shimsDir is the one name under a node's directory that is no class.
const shimsDir = "shims"

// Validate reports a name that can't be a group.
func (p Pod) Validate() error {
	for _, name := range []string{p.Class, p.ID} {
		if len(name) > NameBytesMax || !namePattern.MatchString(name) {
			return fmt.Errorf("%w: %q", ErrInvalidName, name)
		}
	}
	if p.Class == shimsDir || p.Attempt < 0 {
		return fmt.Errorf("%w: class %q, attempt %d", ErrInvalidName, p.Class, p.Attempt)
	}
	return nil
}

func validLeaf(name string) error {
	if !leafPattern.MatchString(name) {
		return fmt.Errorf("%w: leaf %q is none of main, step-N, exec-N", ErrInvalidName, name)
	}
	return nil
}

// dirName is the pod's directory below its class.
func (p Pod) dirName() string { return "pod-" + p.ID + "-" + strconv.Itoa(p.Attempt) }

// parsePod is the inverse of dirName; other directories are not ours.
func parsePod(class, name string) (Pod, bool) {
	rest, ok := strings.CutPrefix(name, "pod-")
	cut := strings.LastIndexByte(rest, '-')
	if !ok || cut < 1 {
		return Pod{}, false
	}
	attempt, err := strconv.Atoi(rest[cut+1:])
	pod := Pod{Class: class, ID: rest[:cut], Attempt: attempt}
	return pod, err == nil && pod.Validate() == nil
}

func comparePods(a, b Pod) int {
	if c := strings.Compare(a.Class, b.Class); c != 0 {
		return c
	}
	if c := strings.Compare(a.ID, b.ID); c != 0 {
		return c
	}
	return a.Attempt - b.Attempt
}
