package loop

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/internal/clock"
	"github.com/coxswain-hpc/coxswain/scheduler"
)

// History finds the pods of an instance, ended and released ones too.
type History interface {
	// InstancePods lists all attempts of an instance; index is api.NoIndex for a job that is no array.
	InstancePods(ctx context.Context, owner api.JobID, index int64) ([]api.Pod, error)
}

var errElsewhere = api.Errorf(api.CodeNotLeader, "this server does not lead; ask the one that does")

// Explain answers why a job or array task does not run, or where it runs, or how it ended. It fails
// with api.ErrNotLeader when another server leads: ask there.
func (l *Loop) Explain(ctx context.Context, id api.JobID, index int64) (api.Explanation, error) {
	if e, done, err := l.explainOpen(id, index); done {
		return e, err
	}
	records, pods, err := l.store.Jobs(ctx, []api.JobID{id})
	if err != nil {
		return api.Explanation{}, fmt.Errorf("read job %d: %w", id, err)
	}
	if len(records) == 0 {
		return api.Explanation{}, api.Errorf(api.CodeNotFound, "there is no job %d", id)
	}
	rec := records[0]
	array, _ := api.ParseArray(rec.Job.Spec.Array)
	if _, has := array.Ordinal(index); index != api.NoIndex && !has {
		return api.Explanation{}, api.Errorf(api.CodeNotFound, "job %d has no task %d", id, index)
	}
	now := l.clock.Now()
	if pod, ok := lastOf(pods, index); ok {
		return explainPod(pod, index, now), nil
	}
	if e, ok, err := l.explainHistory(ctx, rec, index, now); ok || err != nil {
		return e, err
	}
	if ordinal, has := array.Ordinal(index); has && index != api.NoIndex && !rec.Job.Status.Waiting.Has(ordinal) {
		return explainUnplaced(id, index, now), nil
	}
	return explainRecord(rec, index, now), nil
}

// explainOpen answers from memory about what waits or runs.
func (l *Loop) explainOpen(id api.JobID, index int64) (api.Explanation, bool, error) {
	l.explaining.Lock()
	defer l.explaining.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.world == nil {
		return api.Explanation{}, true, errElsewhere
	}
	j, open := l.world.jobs[id]
	if !open {
		return api.Explanation{}, false, nil
	}
	now := l.clock.Now()
	array, _ := api.ParseArray(j.rec.Job.Spec.Array)
	wanted := index != api.NoIndex || !array.IsArray() || len(j.rec.Job.Status.Waiting) == 0
	if pod, ok := lastOf(l.world.podsOf(j), index); ok && wanted {
		return explainPod(pod, index, now), true, nil
	}
	in := scheduler.Input{Now: now, Policy: l.policy, Budget: l.budget}
	e, ok := scheduler.Explain(l.world.view(now), in, id, index)
	return e, ok, nil
}

// lastOf is the newest pod of an instance; for a whole array any of its pods.
func lastOf(pods []api.Pod, index int64) (api.Pod, bool) {
	var mine []api.Pod
	for _, p := range pods {
		if index == api.NoIndex || p.Key.Index == index {
			mine = append(mine, p)
		}
	}
	if len(mine) == 0 {
		return api.Pod{}, false
	}
	return slices.MaxFunc(mine, func(a, b api.Pod) int {
		return cmp.Or(cmp.Compare(a.Key.Attempt, b.Key.Attempt), cmp.Compare(b.Key.Index, a.Key.Index),
			cmp.Compare(b.Key.Rank, a.Key.Rank))
	}), true
}

func explainPod(p api.Pod, index int64, now time.Time) api.Explanation {
	e := api.Explanation{Job: p.Key.Owner, Index: index, State: string(p.State), At: now}
	who := api.Instance{Owner: p.Key.Owner, Index: p.Key.Index}.String()
	switch {
	case p.State == api.PodBound:
		e.Summary = fmt.Sprintf("%s was placed on %s %s ago and starts there", who, p.Node,
			api.FormatSpan(now.Sub(p.BoundAt)))
	case p.State == api.PodRunning && p.Stop != nil:
		e.Summary = fmt.Sprintf("%s runs on %s and is being stopped (%s)", who, p.Node, p.Stop.Reason)
	case p.State == api.PodRunning:
		e.Summary = fmt.Sprintf("%s has run on %s for %s", who, p.Node, api.FormatSpan(now.Sub(*p.StartedAt)))
	default:
		e.Summary = fmt.Sprintf("%s ended on %s as %s: %s", who, p.Node, p.State, messageOf(p))
		e.Reasons = []api.ExplainReason{{Reason: reasonOf(p), Message: messageOf(p)}}
	}
	return e
}

// explainHistory tells how an instance ended from its last pod.
func (l *Loop) explainHistory(
	ctx context.Context, rec api.JobRecord, index int64, now time.Time,
) (_ api.Explanation, ok bool, err error) {
	if l.history == nil || (index == api.NoIndex && rec.Job.Spec.Array != "") {
		return api.Explanation{}, false, nil
	}
	pods, err := l.history.InstancePods(ctx, rec.Job.ID, index)
	if err != nil {
		return api.Explanation{}, false, fmt.Errorf("read pods of job %d: %w", rec.Job.ID, err)
	}
	pod, ok := lastOf(pods, index)
	if !ok {
		return api.Explanation{}, false, nil
	}
	return explainPod(pod, index, now), true, nil
}

// explainUnplaced tells of an array task that neither waits nor ever had a pod.
func explainUnplaced(id api.JobID, index int64, now time.Time) api.Explanation {
	message := "cancelled before it started"
	return api.Explanation{
		Job: id, Index: index, State: string(api.JobCancelled), At: now,
		Summary: fmt.Sprintf("%s was %s", api.Instance{Owner: id, Index: index}, message),
		Reasons: []api.ExplainReason{{Reason: api.ReasonCancelled, Message: message}},
	}
}

// explainRecord tells what the job's own record says.
func explainRecord(rec api.JobRecord, index int64, now time.Time) api.Explanation {
	st := rec.Job.Status
	e := api.Explanation{Job: rec.Job.ID, Index: index, State: string(st.State), At: now}
	e.Summary = fmt.Sprintf("job %d is %s", rec.Job.ID, st.State)
	if why := st.Why(); why != "" {
		e.Summary += ": " + why
	}
	if st.Reason != api.ReasonNone {
		e.Reasons = []api.ExplainReason{{Reason: st.Reason, Message: st.Why()}}
	}
	return e
}

// feasibleWait bounds how long a refusal waits for the world to catch up with the store.
const feasibleWait = 2 * time.Second

// CheckFeasible fails with api.CodeImpossible when no node of today could ever run the job. The world
// may lag behind the store (a node has just registered): a refusal stands only if the store has no
// newer nodes or partitions. A server that does not lead knows no nodes: it lets every job pass, and
// the leader then says why one waits.
func (l *Loop) CheckFeasible(ctx context.Context, spec api.JobSpec) error {
	ctx, cancel := context.WithTimeout(ctx, feasibleWait)
	defer cancel()
	for {
		cursor, err := l.feasible(spec)
		if api.CodeOf(err) != api.CodeImpossible {
			return err
		}
		newer, lookErr := l.store.Changes(ctx, cursor)
		if lookErr != nil || len(newer.Nodes) == 0 && len(newer.Partitions) == 0 {
			return err
		}
		if clock.Sleep(ctx, l.clock, feasiblePoll) != nil {
			return err
		}
	}
}

// feasiblePoll lies between two looks at whether the loop has caught up.
const feasiblePoll = 10 * time.Millisecond

func (l *Loop) feasible(spec api.JobSpec) (api.Cursor, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.world == nil {
		return api.Cursor{}, nil
	}
	if sentence, impossible := scheduler.Impossible(l.world.nodesView(), spec); impossible {
		return l.world.cursor, api.Errorf(api.CodeImpossible, "%s", sentence)
	}
	return api.Cursor{}, nil
}
