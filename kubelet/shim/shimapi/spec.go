// Package shimapi holds the words that a kubelet and the cox-shim of one pod speak: the spec that
// starts a pod, the state of a running one, the record of an ended one, and the requests on the
// shim's socket.
//
// It is linked into cox-shim, which must stay small, so it imports the standard library only. Files
// and messages carry a version, because a kubelet adopts pods whose shims an older or newer release
// started. Fields may be added; a field never changes its meaning. Times are integers in
// nanoseconds: "_boottime_ns" counts on CLOCK_BOOTTIME, "_unix_ns" on the wall clock.
package shimapi

import (
	"errors"
	"fmt"
	"path/filepath"
)

// Version is the protocol and file version that this code writes.
const Version = 1

// FreeLine is what a shim says to the kubelet that started it, after the exit record, if it can take
// another pod. It then holds the lock of the ended one no more.
const FreeLine = "free"

// The files of a pod's state directory, which only root (or the kubelet's own user) may enter.
const (
	SpecFile   = "spec.json"  // written by the kubelet before the shim starts
	StateFile  = "state.json" // written by the shim once the main process runs
	ExitFile   = "exit.json"  // written by the shim, durably, before it lets the pod go
	SocketFile = "sock"       // the shim's unix socket, mode 0600
)

// Limits of the protocol.
const (
	// LineBytesMax bounds one message on the socket; a frame of output is far smaller.
	LineBytesMax = 1 << 20
	// FrameBytesMax bounds the data of one frame, so that a slow reader sees steady progress.
	FrameBytesMax = 32 << 10
	// ArgvMax bounds the arguments of a spec; the kernel's own limit is on bytes.
	ArgvMax = 100_000
)

// Spec is everything that a shim needs to run one pod. It never changes after the start.
type Spec struct {
	Version int    `json:"version"`
	Pod     string `json:"pod"`     // the pod's name in the kubelet's words, for people and ps
	Attempt int    `json:"attempt"` // which run of the instance this is

	Argv []string `json:"argv"` // Argv[0] is looked up in the PATH of Env unless it has a slash
	Env  []string `json:"env"`  // NAME=value, complete: nothing of the shim's is added
	Dir  string   `json:"dir"`  // absolute working directory, entered as the user
	User *User    `json:"user,omitempty"`

	Stdin  Stream `json:"stdin"`  // empty path: /dev/null
	Stdout Stream `json:"stdout"` // empty path: /dev/null
	Stderr Stream `json:"stderr"` // empty path: the same open file as stdout

	Umask      int      `json:"umask"` // file mode creation mask, as in umask(2)
	Rlimits    []Rlimit `json:"rlimits,omitempty"`
	NoNewPrivs bool     `json:"no_new_privs,omitempty"`

	Attach       bool `json:"attach,omitempty"`         // output and input go through the socket
	KillOnDetach bool `json:"kill_on_detach,omitempty"` // a vanished attached client stops the pod

	TimeLimitMS int64 `json:"time_limit_ms,omitempty"` // from the first instruction; 0 is none
	GraceMS     int64 `json:"grace_ms,omitempty"`      // between TERM and KILL at the limit; 0 is none
	Warn        *Warn `json:"warn,omitempty"`
	// LeaseBoottimeNS is when the pod stops itself unless the deadline is moved; 0 is never.
	LeaseBoottimeNS int64 `json:"lease_boottime_ns,omitempty"`

	Cgroup      Cgroup `json:"cgroup"`
	MemoryBytes int64  `json:"memory_bytes,omitempty"` // the pod's limit, repeated in the exit record
}

// User is the Unix identity of a pod's processes. It is skipped by a shim that isn't root.
type User struct {
	UID    uint32   `json:"uid"`
	GID    uint32   `json:"gid"`
	Groups []uint32 `json:"groups,omitempty"` // supplementary groups
}

// Stream is one of the standard files, opened by path as the user.
type Stream struct {
	Path   string `json:"path,omitempty"`   // relative paths start at Dir
	Append bool   `json:"append,omitempty"` // outputs only; false truncates
}

// Rlimit is a soft limit, clipped to the hard limit that the shim inherited.
type Rlimit struct {
	Resource int    `json:"resource"` // RLIMIT_* of Linux
	Soft     uint64 `json:"soft"`     // math.MaxUint64 is unlimited
}

// Warn asks for a signal some time before the time limit.
type Warn struct {
	Signal   int   `json:"signal"`
	BeforeMS int64 `json:"before_ms"`
	MainOnly bool  `json:"main_only,omitempty"` // Slurm's "B:"; else every process but the main one
}

// Cgroup names the control groups of a pod. All paths are absolute; empty means that the node has
// no such group. Without any, the shim follows its descendants instead.
type Cgroup struct {
	Tracker     string   `json:"tracker,omitempty"`      // cgroup2 directory of the pod
	TrackerLeaf string   `json:"tracker_leaf,omitempty"` // cgroup2 leaf that the process is cloned into
	Tasks       []string `json:"tasks,omitempty"`        // v1 "tasks" files that the process joins
	HomeTasks   []string `json:"home_tasks,omitempty"`   // v1 "tasks" files of the shims' own group
	Freezer     string   `json:"freezer,omitempty"`      // v1 freezer of the pod, where there is no tracker
	CPUAcct     string   `json:"cpuacct,omitempty"`      // v1 cpuacct of the pod, where there is no tracker
	MemoryV1    string   `json:"memory_v1,omitempty"`    // v1 memory group of the pod
	MemoryV2    string   `json:"memory_v2,omitempty"`    // v2 group of the pod, if memory is enabled there
	PidsDir     string   `json:"pids,omitempty"`         // group of the pod with pids.current
}

// Tracks reports whether membership in a group decides which processes are the pod's.
func (c Cgroup) Tracks() bool { return c.Tracker != "" || c.Freezer != "" }

// Validate reports the first thing that no shim could run.
func (s Spec) Validate() error {
	switch {
	case s.Version < 1 || s.Version > Version:
		return fmt.Errorf("spec version %d is not supported, this shim knows up to %d", s.Version, Version)
	case len(s.Argv) == 0 || s.Argv[0] == "":
		return errors.New("argv is empty")
	case len(s.Argv) > ArgvMax:
		return fmt.Errorf("argv has %d words, at most %d are possible", len(s.Argv), ArgvMax)
	case !filepath.IsAbs(s.Dir):
		return fmt.Errorf("working directory %q is not absolute", s.Dir)
	case s.TimeLimitMS < 0 || s.GraceMS < 0 || s.LeaseBoottimeNS < 0:
		return errors.New("a time is negative")
	case s.Umask < 0 || s.Umask > 0o777:
		return fmt.Errorf("umask %o is not a file mode mask", s.Umask)
	}
	return nil
}
