package header

var streamOptions = []Option{
	{
		Name: "chdir", Short: 'D', Arg: ArgRequired, Value: "<directory>",
		Meaning: "the job's working directory",
		set:     setChdir,
	},
	{
		Name: "error", Short: 'e', Arg: ArgRequired, Value: "<pattern>", Env: []string{"SBATCH_ERROR"},
		Meaning: "the file of standard error; else that of standard output",
		set:     file(func(o *Options) *string { return &o.Error }),
	},
	{
		Name: "input", Short: 'i', Arg: ArgRequired, Value: "<pattern>", Env: []string{"SBATCH_INPUT"},
		Meaning: "the file of standard input; else /dev/null",
		set:     file(func(o *Options) *string { return &o.Input }),
	},
	{
		Name: "open-mode", Arg: ArgRequired, Value: "append|truncate", Env: []string{"SBATCH_OPEN_MODE"},
		Meaning: "how output files are opened; a requeued job always appends", set: setOpenMode,
	},
	{
		Name: "output", Short: 'o', Arg: ArgRequired, Value: "<pattern>", Env: []string{"SBATCH_OUTPUT"},
		Meaning: "the file of standard output; else slurm-%j.out or slurm-%A_%a.out",
		set:     file(func(o *Options) *string { return &o.Output }),
	},
	{
		Name: "wrap", Arg: ArgRequired, Value: "<command>", ArgsOnly: true,
		Meaning: "run this command line in a small sh script instead of a script file",
		set:     func(o *Options, v string) error { o.Wrap = &v; return nil },
	},
}

var environmentOptions = []Option{
	{
		Name: "export", Arg: ArgRequired, Value: "ALL|NONE|NIL|<list>", Env: []string{"SBATCH_EXPORT"},
		Meaning: "the environment: all of the submitter's (the default), that of a login, none at all, or " +
			"a list of NAME and NAME=value",
		set: setExport,
	},
	{
		Name: "propagate", Arg: ArgOptional, Value: "ALL|NONE|<limits>",
		Meaning: "the soft limits to pass on: all (the default), none, or a list such as STACK,NOFILE",
		set:     setPropagate,
	},
}

var noticeOptions = []Option{
	{
		Name: "mail-type", Arg: ArgRequired, Value: "<events>",
		Meaning: "mail at BEGIN, END, FAIL, REQUEUE, INVALID_DEPEND, TIME_LIMIT, TIME_LIMIT_90, _80, _50; " +
			"ALL; ARRAY_TASKS for each task; NONE",
		set: setMailType,
	},
	{
		Name: "mail-user", Arg: ArgRequired, Value: "<address>",
		Meaning: "whom to mail; else the job's owner",
		set:     text(func(o *Options) *string { return &o.MailUser }),
	},
}

var clientOptions = []Option{
	{
		Name: "help", Short: 'h', ArgsOnly: true, Meaning: "show the options",
		set: toggle(func(o *Options) *bool { return &o.Help }),
	},
	{
		Name: "ignore-pbs", Env: []string{"SBATCH_IGNORE_PBS"},
		Meaning: "pass over #PBS and #BSUB lines; without it they are an error",
		set:     toggle(func(o *Options) *bool { return &o.IgnorePBS }),
	},
	{
		Name: "parsable", Meaning: "print the job id alone",
		set: toggle(func(o *Options) *bool { return &o.Parsable }),
	},
	{
		Name: "quiet", Short: 'Q', Meaning: "print no notes",
		set: toggle(func(o *Options) *bool { return &o.Quiet }),
	},
	{
		Name: "usage", ArgsOnly: true, Meaning: "show how to call it",
		set: toggle(func(o *Options) *bool { return &o.Usage }),
	},
	{
		Name: "verbose", Short: 'v', Env: []string{"SBATCH_DEBUG"}, Meaning: "print what is sent",
		set: setVerbose,
	},
	{
		Name: "version", Short: 'V', ArgsOnly: true, Meaning: "show the version",
		set: toggle(func(o *Options) *bool { return &o.Version }),
	},
	{
		Name: "wait", Short: 'W', Env: []string{"SBATCH_WAIT"},
		Meaning: "wait for the job's end and exit as it does, an array with its highest code",
		set:     toggle(func(o *Options) *bool { return &o.Wait }),
	},
}

var coxOptions = []Option{
	{
		Name: "allow-future-nodes", Cox: true, Meaning: "accept a job that no node of today could ever run",
		set: toggle(func(o *Options) *bool { return &o.AllowFutureNodes }),
	},
	{
		Name: "cpus", Cox: true, Arg: ArgRequired, Value: "<cpus>", Essential: true,
		Meaning: "CPUs as a request without a limit, parts allowed: 500m, 0.5, 2; the job shares cores " +
			"with others and may use idle ones",
		set: setCPUs,
	},
	{
		Name: "ignore-unsupported", Cox: true, Arg: ArgRequired, Value: "<names>",
		Meaning: "drop these options, which are not done yet; each is named, there is no \"all\"",
		set:     setIgnored,
	},
	{
		Name: "kill-grace", Cox: true, Arg: ArgRequired, Value: "<seconds>",
		Meaning: "the time between TERM and KILL at the limit, on cancel and on preemption; else 30",
		set:     count(func(o *Options) *int64 { return &o.GraceSeconds }),
	},
	{
		Name: "requeue-exit-codes", Cox: true, Arg: ArgRequired, Value: "<codes>",
		Meaning: "start anew after these exit codes: 75,100-104", set: setRequeueCodes,
	},
}
