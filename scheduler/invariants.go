package scheduler

import (
	"fmt"

	"github.com/coxswain-hpc/coxswain/api"
)

// Check says what is wrong with a plan for a view, by rules that share no code with the way the plan
// was made: nothing over capacity, no CPU twice, no pod on a node that takes none, gangs whole,
// %limit kept, nothing placed that does not wait. nil means that the plan may be committed.
func Check(view View, plan api.Plan) error {
	nodes := make(map[string]*ledger, len(view.Nodes))
	jobs := make(map[api.JobID]*Job, len(view.Jobs))
	for _, j := range view.Jobs {
		jobs[j.ID] = j
	}
	for _, n := range view.Nodes {
		nodes[n.Name] = &ledger{node: n, used: n.used}
	}
	for _, b := range plan.Binds {
		l, known := nodes[b.Node]
		if !known {
			return fmt.Errorf("job %d is bound to the unknown node %s", b.Job, b.Node)
		}
		if err := l.add(b); err != nil {
			return err
		}
	}
	return checkJobs(jobs, plan.Binds)
}

// ledger is a node's books with the plan's binds.
type ledger struct {
	node  *Node
	used  api.Resources
	taken map[int64]bool // CPU ids that guaranteed pods own
}

func (l *ledger) add(b api.Bind) error {
	if !takesPods(l.node) {
		return fmt.Errorf("job %d is bound to %s, which takes no pods", b.Job, b.Node)
	}
	l.used = l.used.Add(b.Resources)
	if !l.used.Fits(l.node.Capacity) {
		return fmt.Errorf("job %d takes %s over its capacity: %+v of %+v", b.Job, b.Node, l.used, l.node.Capacity)
	}
	if b.CPUs == "" {
		return nil
	}
	return l.addCPUs(b)
}

func (l *ledger) addCPUs(b api.Bind) error {
	if l.taken == nil {
		l.taken = map[int64]bool{}
		for i := range l.node.held {
			for _, id := range cpuIDs(l.node.held[i].CPUs) {
				l.taken[id] = true
			}
		}
	}
	ids := cpuIDs(b.CPUs)
	if int64(len(ids))*api.MillisPerCPU != b.Resources.CPUMillis {
		return fmt.Errorf("job %d takes %d CPUs on %s and names %s",
			b.Job, b.Resources.CPUMillis/api.MillisPerCPU, b.Node, b.CPUs)
	}
	for _, id := range ids {
		if l.taken[id] {
			return fmt.Errorf("job %d takes CPU %d of %s, which has an owner", b.Job, id, b.Node)
		}
		l.taken[id] = true
	}
	return nil
}

func cpuIDs(list string) []int64 {
	ranges, err := api.ParseRanges(list)
	if err != nil {
		return nil
	}
	var out []int64
	ranges.Each(func(x int64) bool { out = append(out, x); return true })
	return out
}

// checkJobs counts the pods of every instance and the instances of every job.
func checkJobs(jobs map[api.JobID]*Job, binds []api.Bind) error {
	type instance struct {
		job     api.JobID
		ordinal int64
	}
	pods := map[instance]int32{}
	instances := map[api.JobID]int64{}
	for _, b := range binds {
		j, known := jobs[b.Job]
		if !known || !j.Waiting.Has(b.Ordinal) {
			return fmt.Errorf("job %d ordinal %d is bound and does not wait", b.Job, b.Ordinal)
		}
		key := instance{b.Job, b.Ordinal}
		if pods[key] == 0 {
			instances[b.Job]++
		}
		pods[key]++
		if instances[b.Job] > j.room() {
			return fmt.Errorf("job %d gets %d more instances, its limit allows %d", b.Job, instances[b.Job], j.room())
		}
	}
	for key, n := range pods {
		if want := jobs[key.job].size(); n != want {
			return fmt.Errorf("job %d ordinal %d has %d of its %d pods", key.job, key.ordinal, n, want)
		}
	}
	return nil
}
