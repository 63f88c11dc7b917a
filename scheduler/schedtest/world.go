package schedtest

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/scheduler"
)

// World is the cluster of a case.
type World struct {
	nodes      map[string]*scheduler.Node
	names      []string
	jobs       map[api.JobID]*api.JobRecord
	live       map[api.JobID]int64
	partitions map[string]api.Partition
	qos        map[string]api.QOS
}

// NewWorld is an empty cluster with the default partition and QOS.
func NewWorld() *World {
	return &World{
		nodes: map[string]*scheduler.Node{}, jobs: map[api.JobID]*api.JobRecord{}, live: map[api.JobID]int64{},
		partitions: map[string]api.Partition{api.DefaultName: {Name: api.DefaultName}},
		qos:        map[string]api.QOS{api.DefaultName: {Name: api.DefaultName}},
	}
}

// Add reads lines of the case language; empty ones and comments (#) are skipped.
func (w *World) Add(text string) error {
	for line := range strings.SplitSeq(text, "\n") {
		if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if err := w.addLine(line); err != nil {
			return err
		}
	}
	return nil
}

func (w *World) addLine(line string) error {
	kind, name, a, err := splitLine(line)
	if err != nil {
		return err
	}
	switch kind {
	case "node":
		w.AddNode(parseNode(name, a))
	case "partition":
		w.partitions[name] = api.Partition{Name: name, Spec: api.PartitionSpec{
			NodeNames: a.list("nodes"), Priority: a.number("priority", 0), Down: a.has("down"),
		}}
	case "qos":
		w.qos[name] = api.QOS{Name: name, Spec: api.QOSSpec{Priority: a.number("priority", 0)}}
	case "job":
		return w.addJob(name, a)
	case "index":
		return w.addIndex(name, a)
	case "running":
		return w.addRunning(name, a)
	default:
		return fmt.Errorf("%q: unknown kind %s", line, kind)
	}
	return nil
}

// AddNode adds an empty node.
func (w *World) AddNode(n api.Node) {
	w.nodes[n.Name] = scheduler.NewNode(n)
	w.names = append(w.names, n.Name)
}

// addJob reads: job 1 cpus=2 memory=4G time=1h array=0-9%2 …; see parseSpec.
func (w *World) addJob(name string, a args) error {
	id, err := api.ParseJobID(name)
	if err != nil {
		return err
	}
	spec := parseSpec(a)
	deps := parseDependencies(a["after"])
	for _, d := range deps {
		spec.Dependencies = append(spec.Dependencies, d.Dependency)
	}
	array, err := api.ParseArray(spec.Array)
	if err != nil {
		return err
	}
	rec := &api.JobRecord{Job: api.Job{ID: id, Generation: 1, Spec: spec}, Dependencies: deps}
	st := &rec.Job.Status
	st.SubmittedAt = Noon.Add(a.duration("submitted", "-1m"))
	st.Waiting = api.RangesOf(api.Range{From: 0, To: array.Len()})
	if st.Released, err = api.ParseRanges(a["released"]); err != nil {
		return err
	}
	st.Reason = api.Reason(a["reason"])
	w.jobs[id] = rec
	w.live[id] = a.number("live", 0)
	return nil
}

// addIndex reads: index 1 ordinal=3 hold backoff=+10s bad=n1,n2.
func (w *World) addIndex(name string, a args) error {
	id, err := api.ParseJobID(name)
	if err != nil {
		return err
	}
	row := api.JobIndex{Ordinal: a.number("ordinal", 0), Hold: a.has("hold"), ExcludedNodes: a.list("bad")}
	if a.has("backoff") {
		at := Noon.Add(a.duration("backoff", ""))
		row.NotBefore = &at
	}
	w.jobs[id].Indices = append(w.jobs[id].Indices, row)
	return nil
}

// addRunning reads: running 5 node=n1 cpus=2 memory=1G ids=0-1 ends=+30m exclusive.
func (w *World) addRunning(name string, a args) error {
	instance, err := api.ParseInstance(name)
	if err != nil {
		return err
	}
	n, known := w.nodes[a["node"]]
	if !known {
		return fmt.Errorf("running %s: unknown node %q", name, a["node"])
	}
	n.Add(scheduler.Held{
		Key: api.PodKey{Instance: instance, Attempt: 1}, CPUs: a["ids"], Exclusive: a.has("exclusive"),
		Resources: api.Resources{CPUMillis: a.cpuMillis("1"), MemoryBytes: a.memory("memory", "1G")},
		EndsAt:    Noon.Add(a.duration("ends", "1h")),
	})
	return nil
}

// View is the world as Cycle takes it.
func (w *World) View() scheduler.View {
	v := scheduler.View{Partitions: w.partitions, QOS: w.qos}
	for _, name := range w.names {
		v.Nodes = append(v.Nodes, w.nodes[name])
	}
	for _, id := range sortedKeys(w.jobs) {
		rec := w.jobs[id]
		if len(rec.Job.Status.Waiting) == 0 {
			continue
		}
		status := scheduler.Dependencies(&rec.Job.Spec, rec.Dependencies, Noon)
		v.Jobs = append(v.Jobs, scheduler.NewJob(*rec, w.live[id], status))
	}
	return v
}

// Keep lets the binds of a plan run, from noon to their time limits.
func (w *World) Keep(plan api.Plan) {
	for _, b := range plan.Binds {
		rec := w.jobs[b.Job]
		if b.Rank == 0 {
			rec.Job.Status.Waiting = rec.Job.Status.Waiting.Remove(b.Ordinal)
			w.live[b.Job]++
		}
		w.nodes[b.Node].Add(scheduler.Held{
			Key:       api.PodKey{Instance: api.Instance{Owner: b.Job, Index: b.Ordinal, Rank: b.Rank}, Attempt: 1},
			Resources: b.Resources, CPUs: b.CPUs, Exclusive: rec.Job.Spec.Exclusive,
			EndsAt: Noon.Add(time.Duration(rec.Job.Spec.TimeLimitSeconds) * time.Second),
		})
	}
	for _, r := range plan.Reasons {
		w.jobs[r.Job].Job.Status.Reason = r.Reason
	}
}

func offset(at time.Time) string {
	d := at.Sub(Noon)
	if d < 0 {
		return d.String()
	}
	return "+" + d.String()
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }
