package schedtest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/coxswain-hpc/coxswain/api"
)

// Noon is the time of every case.
var Noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// args are the key=value words of a line; a word without = has an empty value.
type args map[string]string

func splitLine(line string) (kind, name string, a args, err error) {
	words := strings.Fields(line)
	if len(words) < 2 {
		return "", "", nil, fmt.Errorf("%q: a line is a kind, a name and key=value words", line)
	}
	a = args{}
	for _, w := range words[2:] {
		key, value, _ := strings.Cut(w, "=")
		if _, twice := a[key]; twice && key != "after" {
			return "", "", nil, fmt.Errorf("%q: %s is given twice", line, key)
		}
		a[key] = value
	}
	return words[0], words[1], a, nil
}

func (a args) has(key string) bool { _, ok := a[key]; return ok }

func (a args) number(key string, otherwise int64) int64 {
	if !a.has(key) {
		return otherwise
	}
	if a[key] == "" {
		return otherwise
	}
	n, err := strconv.ParseInt(a[key], 10, 64)
	if err != nil {
		panic(fmt.Sprintf("%s=%s is no number", key, a[key]))
	}
	return n
}

func (a args) memory(key, otherwise string) int64 {
	text := otherwise
	if a.has(key) {
		text = a[key]
	}
	n, err := api.ParseMemorySlurm(text)
	if err != nil {
		panic(fmt.Sprintf("%s=%s: %v", key, text, err))
	}
	return n
}

func (a args) duration(key, otherwise string) time.Duration {
	text := otherwise
	if a.has(key) {
		text = a[key]
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		panic(fmt.Sprintf("%s=%s: %v", key, text, err))
	}
	return d
}

func (a args) list(key string) []string {
	if a[key] == "" {
		return nil
	}
	return strings.Split(a[key], ",")
}

// cpuMillis reads 2 or 0.5.
func (a args) cpuMillis(otherwise string) int64 {
	text := otherwise
	if a.has("cpus") {
		text = a["cpus"]
	}
	n, err := api.ParseCPUs(text)
	if err != nil {
		panic(fmt.Sprintf("cpus=%s: %v", text, err))
	}
	return n
}

// parseNode reads: node n1 cpus=8 threads=2 sockets=1 memory=16G state=ready drained.
func parseNode(name string, a args) api.Node {
	cpus, threads, sockets := a.number("cpus", 8), a.number("threads", 1), a.number("sockets", 1)
	var topology []api.CPU
	for i := range int(cpus) {
		core := i / int(threads)
		socket := i * int(sockets) / int(cpus)
		topology = append(topology, api.CPU{ID: i, Core: core, Socket: socket, NUMA: socket})
	}
	if a.has("no-topology") {
		topology = nil
	}
	capacity := api.Resources{CPUMillis: cpus * api.MillisPerCPU, MemoryBytes: a.memory("memory", "16G")}
	state := api.NodeReady
	if a.has("state") {
		state = api.NodeState(a["state"])
	}
	return api.Node{
		Name: name, Generation: 1, Spec: api.NodeSpec{Unschedulable: a.has("drained")},
		Status: api.NodeStatus{State: state, Inventory: api.Inventory{
			Topology: topology, Capacity: capacity, Allocatable: capacity,
		}},
	}
}

// parseSpec reads the words of a job line. The class follows from cpus, memory and shared: a shared
// job has no limits.
func parseSpec(a args) api.JobSpec {
	spec := api.JobSpec{
		Name: "job", Owner: api.Identity{User: "ann"}, Partition: api.DefaultName, QOS: api.DefaultName,
		Array: a["array"], Nice: a.number("nice", 0), Hold: a.has("held"), HeldByAdmin: a.has("admin-held"),
		TimeLimitSeconds: int64(a.duration("time", "1h") / time.Second), Exclusive: a.has("exclusive"),
		NodeNames: a.list("only"), ExcludedNodes: a.list("exclude"), DependencyAny: a.has("any"),
		KeepOnInvalidDependency: a.has("keep-invalid"),
	}
	if a.has("partition") {
		spec.Partition = a["partition"]
	}
	if a.has("qos") {
		spec.QOS = a["qos"]
	}
	if a.has("begin") {
		at := Noon.Add(a.duration("begin", ""))
		spec.BeginAt = &at
	}
	spec.Roles = append(spec.Roles, parseRole(api.DefaultName, a.number("nodes", 1), a))
	if a.has("workers") {
		workers := args{"cpus": a["worker-cpus"], "memory": "1G"}
		spec.Roles = append(spec.Roles, parseRole("worker", a.number("workers", 1), workers))
	}
	return spec
}

func parseRole(name string, count int64, a args) api.Role {
	c := api.Container{Name: "main", Main: true, WholeNodeMemory: a.has("whole-memory")}
	c.Requests = api.Resources{CPUMillis: a.cpuMillis("1"), MemoryBytes: a.memory("memory", "1G")}
	if c.WholeNodeMemory {
		c.Requests.MemoryBytes = 0
	}
	c.Limits = c.Requests
	if a.has("shared") {
		c.Limits = api.Resources{}
	}
	return api.Role{Name: name, Count: int32(count), Template: api.PodTemplate{Containers: []api.Container{c}}}
}

// parseDependencies reads after=KIND:JOB[_INDEX][+SECONDS]:STATE[,…]; STATE is the other job's, with
// @-5m for its start.
func parseDependencies(text string) []api.DependencyState {
	var out []api.DependencyState
	for part := range strings.SplitSeq(text, ",") {
		if part == "" {
			continue
		}
		fields := strings.Split(part, ":")
		d := api.DependencyState{}
		d.Kind, d.OnIndex = api.DependencyKind(fields[0]), api.NoIndex
		if len(fields) > 1 && fields[1] != "" {
			parseTarget(&d, fields[1])
		}
		if len(fields) > 2 {
			parseTargetState(&d, fields[2])
		}
		out = append(out, d)
	}
	return out
}

func parseTarget(d *api.DependencyState, text string) {
	on, delay, _ := strings.Cut(text, "+")
	instance, err := api.ParseInstance(on)
	if err != nil {
		panic(err)
	}
	d.On, d.OnIndex = instance.Owner, instance.Index
	d.DelaySeconds = args{"d": delay}.number("d", 0)
}

func parseTargetState(d *api.DependencyState, text string) {
	state, started, has := strings.Cut(text, "@")
	d.OnState = api.JobState(state)
	if has {
		at := Noon.Add(args{"at": started}.duration("at", ""))
		d.OnStartedAt = &at
	}
}

func sortedKeys[K ~int64, V any](m map[K]V) []K {
	keys := make([]K, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
