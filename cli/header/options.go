package header

import (
	"github.com/coxswain-hpc/coxswain/api"
)

// Options is what all settings together say, in their order of precedence. Zero values and nil mean
// that nothing was said.
type Options struct {
	JobName, Account, Partition, QOS string
	Comment, WCKey                   string
	Nice                             int64
	Array                            string
	Dependencies                     []api.Dependency
	DependencyAny                    bool
	KillOnInvalid                    *bool
	Hold                             bool
	Begin                            string

	// Tasks × CPUsPerTask CPUs are asked for; CPUMillis (--cpus) excludes both.
	Tasks, TasksPerNode, CPUsPerTask int64
	NodesMin, NodesMax               int64
	CPUMillis                        int64
	// MemoryBytes and MemoryPerCPUBytes exclude each other; 0 is all memory of the node.
	MemoryBytes, MemoryPerCPUBytes *int64
	NodeNames, ExcludedNodes       []string
	Exclusive                      bool
	AllowFutureNodes               bool

	TimeSeconds      int64
	GraceSeconds     int64
	Warning          *api.WarningSignal
	NoRequeue        bool
	RequeueExitCodes []int

	Output, Error, Input string
	Append               bool
	Chdir                string
	// Export is the value of --export; Propagate lists the soft limits to pass on, nil for all.
	Export    string
	Propagate []string

	MailEvents []string
	MailUser   string

	// What the client does: Parsable, Wait, Quiet, Verbose; Help, Usage and Version instead of a
	// submission.
	Parsable, Wait, Quiet bool
	Verbose               int
	Help, Usage, Version  bool

	Wrap      *string
	IgnorePBS bool
	// Ignored lists the names in --ignore-unsupported.
	Ignored []string

	// Script is the batch script; ScriptName its file, empty or - for standard input; Args are the
	// script's arguments. Command is set instead for `submit -- command`.
	Script     []byte
	ScriptName string
	Args       []string
	Command    []string
	// Foreign holds the caller's own flags.
	Foreign map[string]string

	// Settings are all settings that are in these Options, in rising precedence.
	Settings []Setting
	// Notes are sentences for the user, about lines that have no effect.
	Notes []string
}
