package header

var identityOptions = []Option{
	{
		Name: "account", Short: 'A', Arg: ArgRequired, Value: "<account>", Env: []string{"SBATCH_ACCOUNT"},
		Essential: true, Meaning: "the account that is charged",
		set: text(func(o *Options) *string { return &o.Account }),
	},
	{
		Name: "comment", Arg: ArgRequired, Value: "<text>", Meaning: "a comment, kept with the job",
		set: text(func(o *Options) *string { return &o.Comment }),
	},
	{
		Name: "job-name", Short: 'J', Arg: ArgRequired, Value: "<name>", Env: []string{"SBATCH_JOB_NAME"},
		Meaning: "the job's name; else the script's file name, or wrap",
		set:     text(func(o *Options) *string { return &o.JobName }),
	},
	{
		Name: "nice", Arg: ArgOptional, Value: "<n>", Meaning: "lower the priority by n, without a value " +
			"by 100",
		set: setNice,
	},
	{
		Name: "partition", Short: 'p', Arg: ArgRequired, Value: "<partition>",
		Env:       []string{"SBATCH_PARTITION"},
		Essential: true, Meaning: "the partition; one name, lists are not done yet", set: setPartition,
	},
	{
		Name: "qos", Short: 'q', Arg: ArgRequired, Value: "<qos>", Env: []string{"SBATCH_QOS"},
		Essential: true, Meaning: "the quality of service",
		set: text(func(o *Options) *string { return &o.QOS }),
	},
	{
		Name: "wckey", Arg: ArgRequired, Value: "<key>", Env: []string{"SBATCH_WCKEY"},
		Meaning: "the workload characterisation key, kept with the job",
		set:     text(func(o *Options) *string { return &o.WCKey }),
	},
}

var resourceOptions = []Option{
	{
		Name: "array", Short: 'a', Arg: ArgRequired, Value: "<indices>", Env: []string{"SBATCH_ARRAY_INX"},
		Essential: true, Meaning: "an array of tasks: 0-15, 1,3,9-11, 0-15:4, and %8 for at most 8 at a time",
		set: setArray,
	},
	{
		Name: "cpus-per-task", Short: 'c', Arg: ArgRequired, Value: "<n>", Essential: true,
		Meaning: "CPUs (hardware threads) for each task",
		set:     tasksOrCPUs(func(o *Options) *int64 { return &o.CPUsPerTask }),
	},
	{
		Name: "exclude", Short: 'x', Arg: ArgRequired, Value: "<nodes>", Essential: true,
		Meaning: "nodes that are not used: n1,n[3-5]", set: setExclude,
	},
	{
		Name: "exclusive", Arg: ArgOptional, Value: "<who>", Env: []string{"SBATCH_EXCLUSIVE"},
		Essential: true,
		Meaning:   "no other job on the node; the values user, mcs and topo are not done yet",
		set:       setExclusive,
	},
	{
		Name: "mem", Arg: ArgRequired, Value: "<size>", Env: []string{"SBATCH_MEM_PER_NODE"}, Essential: true,
		Meaning: "memory on the node: MiB, or with K, M, G, T; 0 is all of the node", set: setMemory,
	},
	{
		Name: "mem-per-cpu", Arg: ArgRequired, Value: "<size>", Env: []string{"SBATCH_MEM_PER_CPU"},
		Essential: true, Meaning: "memory for each CPU", set: setMemoryPerCPU,
	},
	{
		Name: "nodelist", Short: 'w', Arg: ArgRequired, Value: "<node>", Essential: true,
		Meaning: "the node to run on; several nodes are not done yet", set: setNodeList,
	},
	{
		Name: "nodes", Short: 'N', Arg: ArgRequired, Value: "<n>[-<max>]", Essential: true,
		Meaning: "the number of nodes; only 1 (or from 1) is done yet", set: setNodes,
	},
	{
		Name: "ntasks", Short: 'n', Arg: ArgRequired, Value: "<n>", Essential: true,
		Meaning: "the number of tasks; n × cpus-per-task CPUs on one node",
		set:     tasksOrCPUs(func(o *Options) *int64 { return &o.Tasks }),
	},
	{
		Name: "ntasks-per-node", Aliases: []string{"tasks-per-node"}, Arg: ArgRequired, Value: "<n>",
		Essential: true, Meaning: "tasks on a node, with --ntasks the most on a node",
		set: tasksOrCPUs(func(o *Options) *int64 { return &o.TasksPerNode }),
	},
}

var timeOptions = []Option{
	{
		Name: "begin", Short: 'b', Arg: ArgRequired, Value: "<time>", Essential: true,
		Meaning: "the earliest start: now+1hour, 16:00, tomorrow, 2030-01-20T12:34:00",
		set:     setBegin,
	},
	{
		Name: "dependency", Short: 'd', Arg: ArgRequired, Value: "<list>", Essential: true,
		Meaning: "wait for other jobs: afterok:42:43,after:44+10, singleton; all of them with commas, " +
			"any of them with question marks",
		set: setDependency,
	},
	{
		Name: "hold", Short: 'H', Meaning: "hold the job until cox release",
		set: toggle(func(o *Options) *bool { return &o.Hold }),
	},
	{
		Name: "kill-on-invalid-dep", Arg: ArgRequired, Value: "yes|no", Essential: true,
		Meaning: "cancel the job when a dependency can never be met (the default here), or keep it waiting",
		set:     setKillOnInvalid,
	},
	{
		Name: "no-requeue", Env: []string{"SBATCH_NO_REQUEUE"},
		Meaning: "end with the pod instead of starting anew after node failure or preemption",
		set:     func(o *Options, _ string) error { o.NoRequeue = true; return nil },
	},
	{
		Name: "requeue", Env: []string{"SBATCH_REQUEUE"},
		Meaning: "start anew after node failure or preemption (the default here)",
		set:     func(o *Options, _ string) error { o.NoRequeue = false; return nil },
	},
	{
		Name: "signal", Arg: ArgRequired, Value: "[B:]<signal>[@<seconds>]", Env: []string{"SBATCH_SIGNAL"},
		Meaning: "a signal some time (60 s) before the limit, to the steps or (B:) to the script; R: is " +
			"not done",
		set: setSignal,
	},
	{
		Name: "time", Short: 't', Arg: ArgRequired, Value: "<time>", Env: []string{"SBATCH_TIMELIMIT"},
		Essential: true,
		Meaning: "the time limit: minutes, minutes:seconds, hours:minutes:seconds, " +
			"days-hours[:minutes[:seconds]]; " +
			"0 and UNLIMITED for none; seconds count here and are not rounded up to a minute",
		set: setTime,
	},
}
