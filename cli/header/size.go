package header

import (
	"fmt"

	"github.com/coxswain-hpc/coxswain/api"
)

// size is what the pod asks for.
type size struct {
	tasks            int64
	requests, limits api.Resources
	wholeNodeMemory  bool
}

// size turns tasks, CPUs and memory into the resources of the one pod that runs them all.
func (o *Options) size() (size, []string, error) {
	tasks, notes, err := o.tasks()
	if err != nil {
		return size{}, nil, err
	}
	s := size{tasks: tasks}
	s.requests.CPUMillis = o.cpuMillis(tasks)
	if s.requests.CPUMillis > api.CPUMillisMax {
		return size{}, nil, api.Errorf(api.CodeLimit, "%d tasks of %d CPUs are more than %s CPUs",
			tasks, max(o.CPUsPerTask, 1), api.FormatCPUs(api.CPUMillisMax))
	}
	if err := o.memory(&s); err != nil {
		return size{}, nil, err
	}
	s.limits = s.requests
	if o.burstable() {
		// Without a limit the job may use idle CPUs; memory stays limited.
		s.limits.CPUMillis = 0
	}
	return s, notes, nil
}

// burstable says whether --cpus decides: its request has no limit.
func (o *Options) burstable() bool { return o.CPUMillis > 0 }

// tasks counts the tasks on the one node. --ntasks-per-node is the number where --ntasks is silent,
// else the most on a node.
func (o *Options) tasks() (int64, []string, error) {
	if o.TasksPerNode > 0 && o.Tasks > o.TasksPerNode {
		return 0, nil, api.Errorf(api.CodeUnsupported,
			"%d tasks with at most %d on a node need several nodes, "+
				"and a job runs on one node so far; raise --ntasks-per-node or lower --ntasks", o.Tasks,
			o.TasksPerNode)
	}
	var notes []string
	if o.NodesMax > 1 {
		notes = append(notes, fmt.Sprintf("of %d to %d nodes the job gets 1", o.NodesMin, o.NodesMax))
	}
	if o.Tasks > 0 {
		return o.Tasks, notes, nil
	}
	return max(o.TasksPerNode, 1), notes, nil
}

// cpuMillis is tasks × CPUs; 0 where nothing is said, for the server's default.
func (o *Options) cpuMillis(tasks int64) int64 {
	switch {
	case o.burstable():
		return o.CPUMillis
	case o.Tasks == 0 && o.TasksPerNode == 0 && o.CPUsPerTask == 0 && o.NodesMin == 0:
		return 0
	}
	return tasks * max(o.CPUsPerTask, 1) * api.MillisPerCPU
}

// memory fills the memory of s. Memory for each CPU needs a number of CPUs: 1 where none is said.
func (o *Options) memory(s *size) error {
	switch {
	case o.MemoryBytes != nil:
		s.requests.MemoryBytes = *o.MemoryBytes
		s.wholeNodeMemory = *o.MemoryBytes == 0
	case o.MemoryPerCPUBytes != nil:
		return o.memoryPerCPU(s)
	}
	return nil
}

func (o *Options) memoryPerCPU(s *size) error {
	perCPU := *o.MemoryPerCPUBytes
	if perCPU == 0 {
		s.wholeNodeMemory = true
		return nil
	}
	if s.requests.CPUMillis == 0 {
		s.requests.CPUMillis = api.DefaultCPUs * api.MillisPerCPU
	}
	// Both factors are bounded, but not their product: divide first.
	if perCPU > api.MemoryBytesMax/s.requests.CPUMillis*api.MillisPerCPU {
		return api.Errorf(api.CodeLimit, "%s for each of %s CPUs is more than %s", api.FormatBytes(perCPU),
			api.FormatCPUs(s.requests.CPUMillis), api.FormatBytes(api.MemoryBytesMax))
	}
	s.requests.MemoryBytes = mulMillis(perCPU, s.requests.CPUMillis)
	return nil
}

// mulMillis is bytes × millis / 1000, rounded up, without overflow for results that fit.
func mulMillis(bytes, millis int64) int64 {
	whole, rest := bytes/api.MillisPerCPU*millis, bytes%api.MillisPerCPU*millis
	return whole + (rest+api.MillisPerCPU-1)/api.MillisPerCPU
}
