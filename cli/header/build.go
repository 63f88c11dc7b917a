package header

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/coxswain-hpc/coxswain/api"
)

// Context is the surroundings of the submitter.
type Context struct {
	// Now is the time of submission, in the user's time zone (--begin=16:00 is of that zone).
	Now time.Time
	// Cwd is the submission directory, absolute; Host the submitting machine.
	Cwd  string
	Host string
	// Umask and SoftLimits are the submitter's; a soft limit is named as in getrlimit(2) without
	// RLIMIT_ and in lower case, -1 is unlimited.
	Umask      int64
	SoftLimits map[string]int64
	// Environ is a list of NAME=value.
	Environ []string
}

// Build makes the request. What the options leave open stays zero for the server to fill: CPUs,
// memory, time, grace, account, partition and QOS. The notes are sentences for the user.
func (o *Options) Build(c Context) (api.JobSubmit, []string, error) {
	notes := slices.Clone(o.Notes)
	begin, err := o.beginAt(c.Now)
	if err != nil {
		return api.JobSubmit{}, notes, err
	}
	size, more, err := o.size()
	if err != nil {
		return api.JobSubmit{}, notes, err
	}
	payload, evenMore, err := o.payload(c, size)
	if err != nil {
		return api.JobSubmit{}, notes, err
	}
	notes = slices.Concat(notes, more, evenMore, o.quietNotes())
	spec := o.spec(c)
	spec.BeginAt = begin
	spec.Roles = []api.Role{{Name: "main", Count: 1, Template: api.PodTemplate{
		Containers: []api.Container{o.container(c, size)},
	}}}
	return api.JobSubmit{Spec: spec, Payload: payload}, notes, nil
}

func (o *Options) spec(c Context) api.JobSpec {
	s := api.JobSpec{
		Name: o.JobName, Account: o.Account, Partition: o.Partition, QOS: o.QOS,
		Nice: o.Nice, Array: o.Array,
		Dependencies: o.Dependencies, DependencyAny: o.DependencyAny,
		KeepOnInvalidDependency: o.KillOnInvalid != nil && !*o.KillOnInvalid,
		Hold:                    o.Hold,
		TimeLimitSeconds:        o.TimeSeconds, GraceSeconds: o.GraceSeconds, Warning: o.Warning,
		NoRequeue: o.NoRequeue, RequeueExitCodes: o.RequeueExitCodes,
		NodeNames: o.NodeNames, ExcludedNodes: o.ExcludedNodes, Exclusive: o.Exclusive,
		AllowFutureNodes: o.AllowFutureNodes,
		Comment:          o.Comment, WCKey: o.WCKey, Mail: o.mail(),
		SubmitHost: c.Host, SubmitDir: c.Cwd,
	}
	if s.Name == "" {
		s.Name = o.defaultName()
	}
	return s
}

func (o *Options) mail() *api.Mail {
	if len(o.MailEvents) == 0 {
		return nil
	}
	return &api.Mail{Events: o.MailEvents, User: o.MailUser}
}

func (o *Options) beginAt(now time.Time) (*time.Time, error) {
	if o.Begin == "" {
		return nil, nil
	}
	at, err := api.ParseBegin(o.Begin, now)
	if err != nil {
		return nil, err
	}
	return &at, nil
}

func (o *Options) container(c Context, size size) api.Container {
	m := api.Container{
		Name: "main", Main: true, Command: o.Command, Args: o.Args,
		Requests: size.requests, Limits: size.limits, WholeNodeMemory: size.wholeNodeMemory,
		WorkingDir: absolute(c.Cwd, o.Chdir),
		Stdin:      o.Input, Stdout: o.Output, Stderr: o.Error, AppendOutput: o.Append,
		Umask: c.Umask, SoftLimits: o.softLimits(c.SoftLimits),
	}
	return m
}

// absolute joins a directory to the one it is relative to; it does not resolve symbolic links.
func absolute(cwd, dir string) string {
	if path.IsAbs(dir) {
		return path.Clean(dir)
	}
	return path.Join(cwd, dir)
}

// softLimits keeps the limits that --propagate names.
func (o *Options) softLimits(all map[string]int64) map[string]int64 {
	if o.Propagate == nil {
		return all
	}
	kept := map[string]int64{}
	for _, name := range o.Propagate {
		if v, ok := all[name]; ok {
			kept[name] = v
		}
	}
	return kept
}

const exclusiveNote = "--exclusive keeps other jobs off the node; the job gets the CPUs that it asks for"

// quietNotes are about settings that have less effect than people may think.
func (o *Options) quietNotes() (notes []string) {
	if o.MailUser != "" && len(o.MailEvents) == 0 {
		notes = append(notes, "--mail-user has no effect without --mail-type")
	}
	if o.Exclusive {
		notes = append(notes, exclusiveNote)
	}
	return notes
}

// payload is the script, the command's environment and nothing else.
func (o *Options) payload(c Context, size size) (api.Payload, []string, error) {
	env, login, notes, err := o.environment(c.Environ, o.slurmVariables(size))
	if err != nil {
		return api.Payload{}, nil, err
	}
	p := api.Payload{LoginEnvironment: login, Environment: env}
	switch {
	case o.Wrap != nil:
		line := strings.TrimSuffix(*o.Wrap, "\n")
		p.Script = []byte("#!/bin/sh\n# Made by cox submit --wrap.\n" + line + "\n")
	case len(o.Command) == 0:
		p.Script = o.Script
	}
	return p, notes, nil
}

// slurmVariables are those that tell a job what it was asked to be; sbatch sets them where the
// option is given. The node adds what only it knows.
func (o *Options) slurmVariables(size size) []string {
	var env []string
	add := func(name string, v int64) { env = append(env, fmt.Sprintf("%s=%d", name, v)) }
	if o.CPUsPerTask > 0 {
		add("SLURM_CPUS_PER_TASK", o.CPUsPerTask)
	}
	if o.Tasks > 0 || o.TasksPerNode > 0 {
		add("SLURM_NTASKS", size.tasks)
		add("SLURM_NPROCS", size.tasks)
		add("SLURM_TASKS_PER_NODE", size.tasks)
	}
	if o.TasksPerNode > 0 {
		add("SLURM_NTASKS_PER_NODE", o.TasksPerNode)
	}
	if o.MemoryBytes != nil && *o.MemoryBytes > 0 {
		add("SLURM_MEM_PER_NODE", *o.MemoryBytes/api.MiB)
	}
	if o.MemoryPerCPUBytes != nil && *o.MemoryPerCPUBytes > 0 {
		add("SLURM_MEM_PER_CPU", *o.MemoryPerCPUBytes/api.MiB)
	}
	return env
}
