package api

// Reason is a stable word for why something waits or ended as it did; docs/reasons.md explains each.
type Reason string

// Why a job waits.
const (
	ReasonNone            Reason = ""
	ReasonSubmitted       Reason = "submitted"        // not looked at yet
	ReasonPriority        Reason = "priority"         // others of higher rank go first
	ReasonResources       Reason = "resources"        // every fitting node is taken now
	ReasonDependency      Reason = "dependency"       // waits for another job
	ReasonHeld            Reason = "held"             // held by its user
	ReasonHeldByAdmin     Reason = "held_by_admin"    // held by an admin
	ReasonBeginTime       Reason = "begin_time"       // its begin time has not come
	ReasonArrayLimit      Reason = "array_limit"      // as many of its tasks run as %limit allows
	ReasonBackoff         Reason = "backoff"          // waits before the next attempt
	ReasonNoNode          Reason = "no_node"          // no node of today could ever run it
	ReasonNodesDown       Reason = "nodes_down"       // the nodes that could run it are not ready
	ReasonPartitionDown   Reason = "partition_down"   // its partition takes no work
	ReasonQOSLimit        Reason = "qos_limit"        // over a limit of its QOS
	ReasonDependencyNever Reason = "dependency_never" // a dependency can never be met
)

// Why a pod or job ended.
const (
	ReasonExitCode      Reason = "exit_code"
	ReasonSignal        Reason = "signal"
	ReasonTimeLimit     Reason = "time_limit"
	ReasonOutOfMemory   Reason = "out_of_memory"
	ReasonCancelled     Reason = "cancelled"
	ReasonRequeued      Reason = "requeued"
	ReasonPreempted     Reason = "preempted"
	ReasonNodeLost      Reason = "node_lost"
	ReasonShimLost      Reason = "shim_lost"
	ReasonLease         Reason = "lease_lost"
	ReasonStale         Reason = "stale_inventory"
	ReasonWorkingDir    Reason = "working_dir"       // the user can't enter the working directory
	ReasonOutput        Reason = "output"            // the user can't write the output file
	ReasonInput         Reason = "input"             // the user can't read the input file
	ReasonCommand       Reason = "command"           // the program can't be run
	ReasonIdentity      Reason = "identity_mismatch" // the node knows that uid as somebody else
	ReasonNameService   Reason = "name_service"      // users can't be looked up on the node now
	ReasonNode          Reason = "node_error"        // another failure before the first instruction
	ReasonUnknownToNode Reason = "unknown_to_node"   // the node has no trace of it
)
