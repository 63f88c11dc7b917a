package header

// Sentences about what is not done yet.
const (
	laterGPU      = "GPUs and other devices are not scheduled yet"
	laterNodes    = "a job runs on one node so far"
	laterFeatures = "nodes have no features to choose by yet"
	laterLayout   = "sockets, cores and threads can't be chosen yet; guaranteed jobs get whole cores"
	laterBinding  = "the binding of tasks can't be chosen yet; guaranteed jobs get cores of their own"
	laterBuffer   = "there are no burst buffers"
	laterOCI      = "container images are not run yet"
	laterIdentity = "jobs run as the user who submits them"
	laterReserve  = "nothing can be reserved in advance"
	laterFreq     = "clock frequencies can't be set yet"
	laterSpecial  = "cores can't be set aside for the system by a job"
	laterTopology = "the network's topology is not known yet"
)

// laterResourceOptions ask for resources that are not given out yet.
var laterResourceOptions = []Option{
	essential("bb", 0, "<spec>", laterBuffer, "a burst buffer"),
	essential("bbf", 0, "<file>", laterBuffer, "a file that describes a burst buffer"),
	essential("constraint", 'C', "<features>", laterFeatures, "features that the nodes must have",
		"SBATCH_CONSTRAINT"),
	essential("container", 0, "<path>", laterOCI, "an OCI bundle to run the job in", "SBATCH_CONTAINER"),
	since("23.02", essential("container-id", 0, "<id>", laterOCI, "the id of an OCI container",
		"SBATCH_CONTAINER_ID")),
	essential("core-spec", 'S', "<n>", laterSpecial, "cores of the node for the system", "SBATCH_CORE_SPEC"),
	essential("cores-per-socket", 0, "<n>", laterLayout, "nodes with at least n cores a socket"),
	essential("cpus-per-gpu", 0, "<n>", laterGPU, "CPUs for each GPU", "SBATCH_CPUS_PER_GPU"),
	essential("extra-node-info", 'B', "<sockets[:cores[:threads]]>", laterLayout, "the layout of the nodes"),
	essential("gpus", 'G', "[type:]<n>", laterGPU, "GPUs for the job", "SBATCH_GPUS"),
	essential("gpus-per-node", 0, "[type:]<n>", laterGPU, "GPUs for each node", "SBATCH_GPUS_PER_NODE"),
	essential("gpus-per-socket", 0, "[type:]<n>", laterGPU, "GPUs for each socket"),
	essential("gpus-per-task", 0, "[type:]<n>", laterGPU, "GPUs for each task", "SBATCH_GPUS_PER_TASK"),
	essential("gres", 0, "<list>", laterGPU, "generic resources, such as gpu:2", "SBATCH_GRES"),
	essential("licenses", 'L', "<list>", "licenses are not counted yet", "licenses of programs"),
	essential("mem-per-gpu", 0, "<size>", laterGPU, "memory for each GPU", "SBATCH_MEM_PER_GPU"),
	essential("mincpus", 0, "<n>", laterLayout, "nodes with at least n CPUs"),
	essential("ntasks-per-core", 0, "<n>", laterLayout, "tasks on each core"),
	essential("ntasks-per-gpu", 0, "<n>", laterGPU, "tasks for each GPU", "SBATCH_NTASKS_PER_GPU"),
	essential("ntasks-per-socket", 0, "<n>", laterLayout, "tasks on each socket"),
	flagOption(essential("overcommit", 'O', "", "CPUs are counted one for each task", "more tasks than CPUs",
		"SBATCH_OVERCOMMIT")),
	since("24.05", optional(essential("resv-ports", 0, "<n>", "ports are not given out yet",
		"network ports for the job"))),
	essential("sockets-per-node", 0, "<n>", laterLayout, "nodes with at least n sockets"),
	essential("thread-spec", 0, "<n>", laterSpecial, "threads of the node for the system",
		"SBATCH_THREAD_SPEC"),
	essential("threads-per-core", 0, "<n>", laterLayout, "threads to use of each core",
		"SBATCH_THREADS_PER_CORE"),
	essential("tmp", 0, "<size>", "local disk space is not counted yet", "temporary disk space on the node"),
	since("23.02", essential("tres-per-task", 0, "<list>", laterGPU, "resources of any kind for each task",
		"SBATCH_TRES_PER_TASK")),
}

// laterPlacementOptions say where and as whom a job runs.
var laterPlacementOptions = []Option{
	essential("batch", 0, "<features>", laterFeatures, "features of the node that runs the script",
		"SBATCH_BATCH"),
	essential("cluster-constraint", 0, "<features>", "a job goes to one cluster, that of the context",
		"features that the cluster must have"),
	essential("clusters", 'M', "<names>", "a job goes to one cluster, that of the context; use --context",
		"the clusters to choose from", "SBATCH_CLUSTERS", "SLURM_CLUSTERS"),
	essential("gid", 0, "<group>", laterIdentity, "run with another group"),
	essential("mcs-label", 0, "<label>", "nodes are not separated by labels yet",
		"the label of multi-category security"),
	essential("nodefile", 'F', "<file>", laterNodes, "a file with the names of nodes"),
	essential("reservation", 0, "<name>", laterReserve, "run in a reservation", "SBATCH_RESERVATION"),
	since("24.05", essential("segment", 0, "<n>", laterTopology, "the size of blocks of nodes",
		"SBATCH_SEGMENT_SIZE")),
	flagOption(essential("test-only", 0, "", "the start can't be estimated without submitting yet",
		"check the job and estimate its start, submit nothing")),
	essential("uid", 0, "<user>", laterIdentity, "submit as another user"),
}

// laterOptions may be dropped by name: the job is the same without them.
var laterOptions = []Option{
	later("acctg-freq", 0, "<list>", "usage is sampled at one fixed rate", "how often usage is sampled",
		"SBATCH_ACCTG_FREQ"),
	flagOption(later("contiguous", 0, "", laterNodes, "nodes beside each other")),
	later("cpu-freq", 0, "<range>", laterFreq, "the clock frequency of the CPUs"),
	later("deadline", 0, "<time>", "jobs have no deadline", "cancel the job if it can't end by then"),
	later("delay-boot", 0, "<minutes>", laterFeatures, "wait before nodes are booted for a feature",
		"SBATCH_DELAY_BOOT"),
	later("distribution", 'm', "<method>", laterBinding, "how tasks are spread", "SBATCH_DISTRIBUTION"),
	later("export-file", 0, "<file>", "the environment is not read from a file yet; use --export",
		"a file with more of the environment"),
	since("23.02", later("extra", 0, "<text>", laterFeatures, "a free text for the scheduler's plugins")),
	optional(later("get-user-env", 0, "<timeout>", "only --export=NONE starts from a login environment",
		"add the login environment", "SBATCH_GET_USER_ENV")),
	later("gpu-bind", 0, "<type>", laterGPU, "how tasks are bound to GPUs", "SBATCH_GPU_BIND"),
	later("gpu-freq", 0, "<range>", laterFreq, "the clock frequency of the GPUs", "SBATCH_GPU_FREQ"),
	later("gres-flags", 0, "<type>", laterGPU, "how generic resources are bound", "SBATCH_GRES_FLAGS"),
	later("hint", 0, "<type>", laterBinding, "how tasks use cores, such as nomultithread", "SBATCH_HINT",
		"SLURM_HINT"),
	later("mem-bind", 0, "<type>", laterBinding, "how memory is bound", "SBATCH_MEM_BIND"),
	later("network", 0, "<type>", "networks can't be chosen yet", "the network to use", "SBATCH_NETWORK"),
	optional(later("no-kill", 'k', "off", laterNodes, "go on when one of several nodes fails",
		"SBATCH_NO_KILL")),
	since("24.05", optional(later("oom-kill-step", 0, "<0|1>", "out of memory always ends the whole job",
		"what out of memory ends", "SBATCH_OOM_KILL_STEP"))),
	aliased("share", flagOption(later("oversubscribe", 's', "", "CPUs are shared only by --cpus jobs",
		"allow sharing of CPUs with other jobs"))),
	later("power", 0, "<flags>", "power is not managed", "power management", "SBATCH_POWER"),
	later("prefer", 0, "<features>", laterFeatures, "features that the nodes should have"),
	later("priority", 0, "<n>", "the priority can't be set; use --nice or --qos", "the job's priority"),
	later("profile", 0, "<types>", "usage is not profiled yet", "what to profile", "SBATCH_PROFILE"),
	flagOption(later("reboot", 0, "", "nodes are not rebooted for jobs", "reboot the nodes first")),
	flagOption(later("spread-job", 0, "", laterNodes, "spread over as many nodes as possible",
		"SBATCH_SPREAD_JOB")),
	since("24.05", flagOption(later("stepmgr", 0, "", "steps are not managed yet", "manage steps on the node",
		"SBATCH_STEPMGR"))),
	later("switches", 0, "<n[@time]>", laterTopology, "the most network switches between the nodes",
		"SBATCH_REQ_SWITCH", "SBATCH_WAIT4SWITCH"),
	later("time-min", 0, "<time>", "a time limit is not shortened to start earlier yet",
		"the shortest time limit"),
	since("24.05", later("tres-bind", 0, "<spec>", laterGPU, "how tasks are bound to resources",
		"SBATCH_TRES_BIND")),
	flagOption(later("use-min-nodes", 0, "", laterNodes, "prefer the smaller number of nodes",
		"SBATCH_USE_MIN_NODES")),
	later("wait-all-nodes", 0, "<0|1>", laterNodes, "start when all nodes are ready",
		"SBATCH_WAIT_ALL_NODES"),
}

func later(name string, short byte, value, why, meaning string, env ...string) Option {
	return Option{
		Name: name, Short: short, Arg: ArgRequired, Value: value, Later: why, Meaning: meaning, Env: env,
	}
}

func essential(name string, short byte, value, why, meaning string, env ...string) Option {
	o := later(name, short, value, why, meaning, env...)
	o.Essential = true
	return o
}

func flagOption(o Option) Option {
	o.Arg = ArgNone
	return o
}

func optional(o Option) Option {
	o.Arg = ArgOptional
	return o
}

func since(version string, o Option) Option {
	o.Since = version
	return o
}

func aliased(alias string, o Option) Option {
	o.Aliases = []string{alias}
	return o
}
