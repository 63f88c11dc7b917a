package step

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/coxswain-hpc/coxswain/api"
)

// pathDefault is the PATH where the job brings none.
const pathDefault = "/usr/local/bin:/usr/bin:/bin"

// Environment makes the environment of the main process: what the job carries, defaults for what
// every program expects, and the variables that tell a job about itself.
type Environment struct{}

// Name implements Step.
func (Environment) Name() string { return "environment" }

// Prepare implements Step.
func (Environment) Prepare(_ context.Context, p *Pod) error {
	p.Spec.Env = environ(p)
	return nil
}

// Cleanup implements Step: nothing was made.
func (Environment) Cleanup(context.Context, api.PodAssignment) error { return nil }

// env is variables in the order of their first appearance.
type env struct {
	names []string
	value map[string]string
}

func newEnv() *env { return &env{value: map[string]string{}} }

func (e *env) set(name, value string) {
	if _, ok := e.value[name]; !ok {
		e.names = append(e.names, name)
	}
	e.value[name] = value
}

func (e *env) setDefault(name, value string) {
	if _, ok := e.value[name]; !ok && value != "" {
		e.set(name, value)
	}
}

func (e *env) has(name string) bool { _, ok := e.value[name]; return ok }

func (e *env) setInt(name string, value int64) { e.set(name, strconv.FormatInt(value, 10)) }

func (e *env) list() []string {
	out := make([]string, 0, len(e.names))
	for _, name := range e.names {
		out = append(out, name+"="+e.value[name])
	}
	return out
}

func environ(p *Pod) []string {
	e := newEnv()
	for _, entry := range p.Template.Payload.Environment {
		name, value, ok := strings.Cut(entry, "=")
		// A job that is submitted from within a job must not see the outer one's numbers.
		if ok && name != "" && !inherited(name) {
			e.set(name, value)
		}
	}
	e.setDefault("HOME", p.Owner.Home)
	e.setDefault("USER", p.Owner.User)
	e.setDefault("LOGNAME", p.Owner.User)
	e.setDefault("SHELL", p.Owner.Shell)
	e.setDefault("PATH", pathDefault)
	if p.Scratch != "" {
		e.set("TMPDIR", p.Scratch)
	}
	slurmJob(e, p)
	slurmArray(e, p)
	slurmResources(e, p)
	coxswain(e, p)
	return e.list()
}

// ownedPrefixes are the variables that tell a job about itself; SBATCH_* and the rest of COX_* are
// the user's own settings and stay.
var ownedPrefixes = []string{
	"SLURM_JOB", "SLURM_ARRAY_", "SLURM_RESTART_COUNT", "SLURM_CPUS_", "SLURM_MEM_", "SLURM_NTASKS",
	"SLURM_NNODES", "SLURM_NODE", "SLURM_SUBMIT_", "SLURM_PROCID", "SLURM_LOCALID", "SLURM_TASK",
	"SLURM_CLUSTER_NAME", "SLURMD_", "SLURM_STEP", "SLURM_GTIDS", "SLURM_TOPOLOGY_", "SLURM_PRIO_PROCESS",
	"COX_JOB_ID", "COX_TASK_ID", "COX_INDEX", "COX_ATTEMPT", "COX_NODE", "COX_CPU", "COX_MEMORY_BYTES", "COX_RANK",
}

// askedNames are what the job's header asked for. Submission puts them into the payload, after it has
// dropped those of an outer job: only it knows whether an option was given.
var askedNames = []string{
	"SLURM_CPUS_PER_TASK", "SLURM_NTASKS", "SLURM_NPROCS", "SLURM_TASKS_PER_NODE", "SLURM_NTASKS_PER_NODE",
	"SLURM_MEM_PER_NODE", "SLURM_MEM_PER_CPU",
}

func inherited(name string) bool {
	if slices.Contains(askedNames, name) {
		return false
	}
	for _, prefix := range ownedPrefixes {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// slurmJob sets what a script asks about the job as a whole.
func slurmJob(e *env, p *Pod) {
	spec, a := p.Template.Spec, p.Assignment
	for _, name := range []string{"SLURM_JOB_ID", "SLURM_JOBID"} {
		e.set(name, a.TaskID.String())
	}
	e.set("SLURM_JOB_NAME", spec.Name)
	e.set("SLURM_JOB_PARTITION", spec.Partition)
	e.set("SLURM_JOB_ACCOUNT", spec.Account)
	e.set("SLURM_JOB_QOS", spec.QOS)
	e.set("SLURM_JOB_USER", spec.Owner.User)
	e.setInt("SLURM_JOB_UID", spec.Owner.UID)
	e.setInt("SLURM_JOB_GID", spec.Owner.GID)
	e.set("SLURM_SUBMIT_DIR", spec.SubmitDir)
	e.set("SLURM_SUBMIT_HOST", spec.SubmitHost)
	e.set("SLURM_CLUSTER_NAME", p.Template.Cluster)
	e.setInt("SLURM_JOB_START_TIME", p.StartAt.Unix())
	end := p.StartAt.Add(time.Duration(a.TimeLimitSeconds) * time.Second)
	e.setInt("SLURM_JOB_END_TIME", end.Unix())
	if a.Restarts > 0 {
		e.setInt("SLURM_RESTART_COUNT", int64(a.Restarts))
	}
}

func slurmArray(e *env, p *Pod) {
	if p.Assignment.Key.Index == api.NoIndex {
		return
	}
	e.set("SLURM_ARRAY_JOB_ID", p.Assignment.Key.Owner.String())
	e.setInt("SLURM_ARRAY_TASK_ID", p.Assignment.Key.Index)
	e.setInt("SLURM_ARRAY_TASK_COUNT", p.Template.ArrayCount)
	e.setInt("SLURM_ARRAY_TASK_MIN", p.Template.ArrayMin)
	e.setInt("SLURM_ARRAY_TASK_MAX", p.Template.ArrayMax)
	e.setInt("SLURM_ARRAY_TASK_STEP", max(1, p.Template.ArrayStep))
}

// slurmResources sets what the job may use; what its header asked for stays as it is. A pod is on one
// node; gangs come with ranks.
func slurmResources(e *env, p *Pod) {
	e.setDefault("SLURM_CPUS_PER_TASK", strconv.FormatInt(wholeCPUs(p.Main().Requests.CPUMillis), 10))
	held := strconv.FormatInt(wholeCPUs(p.Assignment.Resources.CPUMillis), 10)
	e.set("SLURM_CPUS_ON_NODE", held)
	e.set("SLURM_JOB_CPUS_PER_NODE", held)
	// Of the two only one may be set: Slurm's own programs refuse both.
	if memory := memoryOf(p); memory > 0 && !e.has("SLURM_MEM_PER_CPU") {
		e.setDefault("SLURM_MEM_PER_NODE", strconv.FormatInt(memory>>20, 10))
	}
	for _, name := range []string{"SLURM_NTASKS", "SLURM_NPROCS", "SLURM_TASKS_PER_NODE"} {
		e.setDefault(name, "1")
	}
	for _, name := range []string{"SLURM_NNODES", "SLURM_JOB_NUM_NODES"} {
		e.set(name, "1")
	}
	for _, name := range []string{"SLURM_NODELIST", "SLURM_JOB_NODELIST", "SLURMD_NODENAME"} {
		e.set(name, p.Node)
	}
	for _, name := range []string{"SLURM_PROCID", "SLURM_LOCALID", "SLURM_NODEID"} {
		e.set(name, "0")
	}
}

func coxswain(e *env, p *Pod) {
	a := p.Assignment
	e.set("COX_JOB_ID", a.Key.Owner.String())
	e.set("COX_TASK_ID", a.TaskID.String())
	if a.Key.Index != api.NoIndex {
		e.setInt("COX_INDEX", a.Key.Index)
	}
	e.setInt("COX_RANK", int64(a.Key.Rank))
	e.setInt("COX_ATTEMPT", int64(a.Key.Attempt))
	e.set("COX_NODE", p.Node)
	e.setInt("COX_CPUS", wholeCPUs(a.Resources.CPUMillis))
	e.set("COX_CPU_LIST", a.CPUs)
	e.setInt("COX_MEMORY_BYTES", memoryOf(p))
}

// memoryOf is what the pod may use: its limit, or what it holds where it has none.
func memoryOf(p *Pod) int64 {
	main := p.Main()
	if main.WholeNodeMemory || main.Limits.MemoryBytes == 0 {
		return p.Assignment.Resources.MemoryBytes
	}
	return main.Limits.MemoryBytes
}

// wholeCPUs rounds up and is at least 1: programs size thread pools by it.
func wholeCPUs(millis int64) int64 {
	return max(1, (millis+api.MillisPerCPU-1)/api.MillisPerCPU)
}
