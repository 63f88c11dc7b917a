package shimapi

// Phase is where a pod is in its life, as its shim sees it.
type Phase string

// The phases.
const (
	PhaseStarting Phase = "starting" // the main process doesn't run yet
	PhaseRunning  Phase = "running"  // the main process runs
	PhaseStopping Phase = "stopping" // asked to end; processes may still run
	PhaseEnded    Phase = "ended"    // no process is left; the exit record stands
)

// Process identifies a process across pid reuse, within one boot.
type Process struct {
	PID        int    `json:"pid"`
	StartTicks uint64 `json:"start_ticks"` // field 22 of /proc/PID/stat
}

// State is what state.json holds and what a status request answers.
type State struct {
	Version int     `json:"version"`
	Pod     string  `json:"pod"`
	Attempt int     `json:"attempt"`
	BootID  string  `json:"boot_id"` // pids mean nothing after another boot
	Shim    Process `json:"shim"`
	Main    Process `json:"main"` // zero until it runs
	Phase   Phase   `json:"phase"`

	StartedUnixNS     int64 `json:"started_unix_ns,omitempty"`
	StartedBoottimeNS int64 `json:"started_boottime_ns,omitempty"`
	// DeadlineBoottimeNS is the time limit, LeaseBoottimeNS the self-stop; 0 is none.
	DeadlineBoottimeNS int64 `json:"deadline_boottime_ns,omitempty"`
	LeaseBoottimeNS    int64 `json:"lease_boottime_ns,omitempty"`

	Usage *Usage `json:"usage,omitempty"` // status only
}

// Usage is what a pod used so far.
type Usage struct {
	CPUNS          int64 `json:"cpu_ns"` // user and system, ended processes included
	CPUUserNS      int64 `json:"cpu_user_ns"`
	CPUSystemNS    int64 `json:"cpu_system_ns"`
	MemoryBytes    int64 `json:"memory_bytes"`      // charged now, page cache included
	MemoryPeak     int64 `json:"memory_peak_bytes"` // highest charge, page cache included; 0 is unknown
	RSSBytes       int64 `json:"rss_bytes"`         // anonymous memory of all processes now
	RSSPeakBytes   int64 `json:"rss_peak_bytes"`    // highest sample of RSSBytes
	MaxProcessRSS  int64 `json:"max_process_rss_bytes"`
	OOMKills       int64 `json:"oom_kills"` // processes that the kernel killed at the memory limit
	Pids           int64 `json:"pids"`
	FromDescendant bool  `json:"from_descendants,omitempty"` // no cgroups: sum of reaped processes
}

// Reason says why a pod ended.
type Reason string

// The reasons that a shim finds itself. A stop request brings its own, for example "cancelled".
const (
	ReasonExited       Reason = "exited"        // the main process returned an exit code
	ReasonSignaled     Reason = "signaled"      // a signal that the shim didn't send ended it
	ReasonTimeout      Reason = "timeout"       // the time limit
	ReasonLeaseExpired Reason = "lease_expired" // the node's lease wasn't renewed in time
	ReasonOutOfMemory  Reason = "out_of_memory" // the kernel killed a process at the memory limit
	ReasonDetached     Reason = "detached"      // the attached client vanished
	ReasonStartFailed  Reason = "start_failed"  // it ended before the user's first instruction
	ReasonShimLost     Reason = "shim_lost"     // found by the kubelet: the shim left no record
)

// Step names what a start was doing when it failed.
type Step string

// The steps, in order.
const (
	StepSpec     Step = "spec"     // read the spec
	StepCgroup   Step = "cgroup"   // join the control groups
	StepIdentity Step = "identity" // become the user
	StepWorkdir  Step = "workdir"  // enter the working directory
	StepStdin    Step = "stdin"    // open the standard files
	StepStdout   Step = "stdout"
	StepStderr   Step = "stderr"
	StepRlimit   Step = "rlimit" // set the limits
	StepExec     Step = "exec"   // execute argv
)

// StartError is a failure before the user's first instruction.
type StartError struct {
	Step    Step   `json:"step"`
	Path    string `json:"path,omitempty"`
	Errno   int    `json:"errno,omitempty"`
	Message string `json:"message"`
	// User is true when the user can mend it (a missing directory, no such command), and false when
	// the node is to blame and the pod should go elsewhere.
	User bool `json:"user"`
}

// Error gives the sentence.
func (e *StartError) Error() string { return e.Message }

// ExitRecord is what is left of a pod, durable before its shim ends.
type ExitRecord struct {
	Version int    `json:"version"`
	Pod     string `json:"pod"`
	Attempt int    `json:"attempt"`

	Reason   Reason      `json:"reason"`
	ExitCode int         `json:"exit_code"`        // of the main process; 0 if a signal ended it
	Signal   int         `json:"signal,omitempty"` // that ended the main process
	Start    *StartError `json:"start_error,omitempty"`

	StartedUnixNS     int64 `json:"started_unix_ns,omitempty"`
	StartedBoottimeNS int64 `json:"started_boottime_ns,omitempty"`
	EndedUnixNS       int64 `json:"ended_unix_ns"`
	EndedBoottimeNS   int64 `json:"ended_boottime_ns"`

	Usage       Usage `json:"usage"`
	MemoryBytes int64 `json:"memory_limit_bytes,omitempty"`
	// Leftover counts the processes that were killed because they outlived the main one.
	Leftover int `json:"leftover,omitempty"`
}
