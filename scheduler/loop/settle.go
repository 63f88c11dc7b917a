package loop

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/scheduler"
)

// The bounds of placing an instance again.
const (
	// faultsMax bounds the attempts of one instance that ended by the node's fault: a job that kills
	// every node it meets must end at last.
	faultsMax = 30
	// exitRetriesMax bounds the requeues by exit code, so that a job can't loop for ever.
	exitRetriesMax = 100
	// excludedMax bounds the nodes that an instance remembers as bad; the oldest are forgotten.
	excludedMax = 16
	// backoffMin doubles with every fault up to backoffMax.
	backoffMin = time.Second
	backoffMax = 5 * time.Minute
)

// leader is the actor of the leader's events.
const leader = "leader"

// facts are what settle needs beside the job's record.
type facts struct {
	now time.Time
	// pods are the job's unreleased pods in any order.
	pods []api.Pod
	// released holds, by position of an aftercorr dependency, the own ordinals that it lets go, for as
	// much as is known.
	released map[int]api.Ranges
}

// settle is what follows for a job from what has happened: it folds ended pods into the counts,
// serves wishes to cancel and requeue, and judges dependencies. It is pure and idempotent; ok is
// false when nothing follows.
func settle(rec api.JobRecord, f facts) (unit api.JobCommit, ok bool) {
	s := newSettling(rec, f)
	s.fold()
	s.serveCancel()
	s.serveRequeue()
	s.judge()
	s.conclude()
	return s.unit, s.changed
}

type settling struct {
	facts
	rec     api.JobRecord
	array   api.Array
	st      api.JobStatus
	rows    map[int64]api.JobIndex // by ordinal
	unit    api.JobCommit
	ended   *api.Pod // the pod that decided the last instance that ended
	changed bool
}

func newSettling(rec api.JobRecord, f facts) *settling {
	// A stored spec is validated; a broken expression would be a job of one instance.
	array, _ := api.ParseArray(rec.Job.Spec.Array)
	s := &settling{facts: f, rec: rec, array: array, st: rec.Job.Status, rows: map[int64]api.JobIndex{}}
	for _, x := range rec.Indices {
		s.rows[x.Ordinal] = x
	}
	s.unit = api.JobCommit{ID: rec.Job.ID, Generation: rec.Job.Generation, RequeueServed: rec.RequeueServed}
	return s
}

// fold takes the instances whose pods have all ended off the live ones.
func (s *settling) fold() {
	byOrdinal := map[int64][]api.Pod{}
	for _, p := range s.pods {
		byOrdinal[p.Ordinal] = append(byOrdinal[p.Ordinal], p)
	}
	for _, ordinal := range slices.Sorted(maps.Keys(byOrdinal)) {
		pods := byOrdinal[ordinal]
		slices.SortFunc(pods, func(a, b api.Pod) int { return cmp.Compare(a.Key.Rank, b.Key.Rank) })
		s.foldInstance(ordinal, pods)
	}
}

func (s *settling) foldInstance(ordinal int64, pods []api.Pod) {
	decider := deciding(pods)
	if slices.ContainsFunc(pods, func(p api.Pod) bool { return !p.State.Ended() }) {
		if decider.State.Ended() && decider.State != api.PodCompleted {
			s.stop(pods, api.PodStop{State: api.PodCancelled, Reason: reasonOf(decider), By: leader})
		}
		return
	}
	for _, p := range pods {
		s.unit.Releases = append(s.unit.Releases, p.Key)
	}
	s.st.Counts.Live--
	s.changed = true
	s.decide(ordinal, decider)
}

// endWeight orders the ends of a gang's members: the one that explains the others comes first. When
// a node dies the other members fail of it, so the node's fault weighs most.
var endWeight = []api.PodState{
	api.PodCompleted, api.PodCancelled, api.PodFailed, api.PodTimeout, api.PodOutOfMemory, api.PodPreempted,
	api.PodShimLost, api.PodNodeFailed, api.PodRefused, api.PodStartFailed,
}

func deciding(pods []api.Pod) api.Pod {
	return slices.MaxFunc(pods, func(a, b api.Pod) int {
		return cmp.Compare(slices.Index(endWeight, a.State), slices.Index(endWeight, b.State))
	})
}

// decide says whether an instance that ended is done or placed again.
func (s *settling) decide(ordinal int64, p api.Pod) {
	row := s.rows[ordinal]
	cancelled := s.rec.CancelWanted || row.CancelWanted
	switch {
	case cancelled && p.State.NodesFault():
		s.finish(ordinal, p, api.PodCancelled)
	case p.State == api.PodPreempted && p.Stop != nil && p.Stop.Reason == api.ReasonRequeued:
		s.again(ordinal, p, again{restart: true})
	case p.State.NodesFault():
		s.fault(ordinal, p)
	case p.State == api.PodFailed && !cancelled && s.retriesExit(p) && row.Retries < exitRetriesMax:
		s.again(ordinal, p, again{restart: true, retry: true, wait: backoff(row.Retries + 1)})
	default:
		s.finish(ordinal, p, p.State)
	}
}

func (s *settling) retriesExit(p api.Pod) bool {
	return p.Exit != nil && slices.Contains(s.rec.Job.Spec.RequeueExitCodes, p.Exit.Code)
}

// fault places an instance again that ended by no doing of its own, unless its job wants otherwise
// or it has happened too often.
func (s *settling) fault(ordinal int64, p api.Pod) {
	before := p.State == api.PodRefused || p.State == api.PodStartFailed // the user's program never ran
	faults := p.Key.Attempt - s.rows[ordinal].Retries
	switch {
	case s.rec.Job.Spec.NoRequeue && !before:
		s.finish(ordinal, p, api.PodNodeFailed)
	case faults >= faultsMax:
		p.Exit = &api.PodExit{Reason: reasonOf(p), Message: fmt.Sprintf("given up after %d attempts: %s", faults, messageOf(p))}
		s.finish(ordinal, p, api.PodNodeFailed)
	case before:
		s.again(ordinal, p, again{exclude: true, wait: backoff(faults)})
	case p.State == api.PodPreempted:
		s.again(ordinal, p, again{restart: true})
	default: // the first loss goes on at once
		s.again(ordinal, p, again{restart: true, wait: backoff(faults - 1)})
	}
}

// backoff is the wait after a number of failures; none after none.
func backoff(failures int32) time.Duration {
	wait := time.Duration(0)
	for range failures {
		wait = min(max(2*wait, backoffMin), backoffMax)
		if wait == backoffMax {
			break
		}
	}
	return wait
}

// again says how an instance is placed again.
type again struct {
	exclude bool          // not on this node
	retry   bool          // it uses one of the job's retries
	restart bool          // the program had been started before
	wait    time.Duration // before the next attempt
}

func (s *settling) again(ordinal int64, p api.Pod, how again) {
	row := s.rows[ordinal]
	row.Instance = api.Instance{Owner: p.Key.Owner, Index: p.Key.Index}
	row.Ordinal, row.TaskID, row.Attempt = ordinal, p.TaskID, p.Key.Attempt
	row.RequeueSeen = row.RequeueWanted
	row.NotBefore = nil
	if how.retry {
		row.Retries++
	}
	if how.wait > 0 {
		at := s.now.Add(how.wait)
		row.NotBefore = &at
	}
	if how.exclude && !slices.Contains(row.ExcludedNodes, p.Node) {
		row.ExcludedNodes = append(slices.Clone(row.ExcludedNodes), p.Node)
		row.ExcludedNodes = row.ExcludedNodes[max(0, len(row.ExcludedNodes)-excludedMax):]
	}
	if how.restart && !s.array.IsArray() {
		s.st.Restarts++
	}
	s.putRow(row)
	s.st.Waiting = s.st.Waiting.Add(ordinal)
	s.st.Counts.Waiting++
	s.event(reasonOf(p), fmt.Sprintf("%s on %s ended as %s and is placed again: %s", p.Key, p.Node, p.State, messageOf(p)), &p.Key)
}

// finish counts an instance as ended for good.
func (s *settling) finish(ordinal int64, p api.Pod, as api.PodState) {
	*counter(&s.st.Counts, as)++
	if p.Exit != nil {
		s.st.ExitCode = max(s.st.ExitCode, p.Exit.Code)
	}
	p.State = as
	s.ended = &p
	s.dropRow(ordinal)
}

// putRow and dropRow keep the unit free of two orders about one row.
func (s *settling) putRow(row api.JobIndex) {
	s.rows[row.Ordinal] = row
	s.forgetRow(row.Ordinal)
	s.unit.Indices = append(s.unit.Indices, row)
}

func (s *settling) dropRow(ordinal int64) {
	if _, has := s.rows[ordinal]; has {
		delete(s.rows, ordinal)
		s.forgetRow(ordinal)
		s.unit.DroppedIndices = append(s.unit.DroppedIndices, ordinal)
	}
}

func (s *settling) forgetRow(ordinal int64) {
	s.unit.Indices = slices.DeleteFunc(s.unit.Indices, func(x api.JobIndex) bool { return x.Ordinal == ordinal })
	s.unit.DroppedIndices = slices.DeleteFunc(s.unit.DroppedIndices, func(o int64) bool { return o == ordinal })
}

// counter is the count that an end state belongs to.
func counter(c *api.JobCounts, as api.PodState) *int64 {
	switch as {
	case api.PodCompleted:
		return &c.Completed
	case api.PodTimeout:
		return &c.Timeout
	case api.PodOutOfMemory:
		return &c.OutOfMemory
	case api.PodCancelled:
		return &c.Cancelled
	case api.PodNodeFailed, api.PodShimLost, api.PodPreempted, api.PodRefused, api.PodStartFailed:
		return &c.NodeFailed
	case api.PodFailed, api.PodBound, api.PodRunning:
	}
	return &c.Failed
}

// serveCancel ends what is wished to end: waiting instances at once, live ones by an order to their
// nodes.
func (s *settling) serveCancel() {
	if s.rec.CancelWanted {
		s.cancelWaiting(s.st.Waiting)
		s.stop(s.pods, api.PodStop{State: api.PodCancelled, Reason: api.ReasonCancelled, By: s.rec.CancelBy})
		return
	}
	for _, ordinal := range slices.Sorted(maps.Keys(s.rows)) {
		if !s.rows[ordinal].CancelWanted {
			continue
		}
		if s.st.Waiting.Has(ordinal) {
			s.cancelWaiting(api.Ranges{{From: ordinal, To: ordinal + 1}})
		}
		s.stop(s.podsOf(ordinal), api.PodStop{State: api.PodCancelled, Reason: api.ReasonCancelled, By: s.rec.CancelBy})
	}
}

func (s *settling) cancelWaiting(ordinals api.Ranges) {
	n := ordinals.Len()
	if n == 0 {
		return
	}
	s.st.Waiting = s.st.Waiting.Minus(ordinals)
	s.st.Counts.Waiting -= n
	s.st.Counts.Cancelled += n
	s.changed = true
	for _, ordinal := range slices.Sorted(maps.Keys(s.rows)) {
		if ordinals.Has(ordinal) {
			s.dropRow(ordinal)
		}
	}
}

// serveRequeue stops live instances that are wished to start over.
func (s *settling) serveRequeue() {
	order := api.PodStop{State: api.PodPreempted, Reason: api.ReasonRequeued}
	if s.rec.RequeueWanted > s.rec.RequeueServed {
		s.unit.RequeueServed = s.rec.RequeueWanted
		s.changed = true
		s.stop(s.pods, order)
	}
	for _, ordinal := range slices.Sorted(maps.Keys(s.rows)) {
		row := s.rows[ordinal]
		if !row.RequeueWanted || row.RequeueSeen {
			continue
		}
		row.RequeueSeen = true
		s.putRow(row)
		s.changed = true
		s.stop(s.podsOf(ordinal), order)
	}
}

func (s *settling) podsOf(ordinal int64) []api.Pod {
	var out []api.Pod
	for _, p := range s.pods {
		if p.Ordinal == ordinal {
			out = append(out, p)
		}
	}
	return out
}

// stop orders live pods to end. A cancel overrides a requeue, nothing overrides a cancel.
func (s *settling) stop(pods []api.Pod, order api.PodStop) {
	order.GraceSeconds = s.rec.Job.Spec.GraceSeconds
	for _, p := range pods {
		ordered := p.Stop != nil && (p.Stop.State == api.PodCancelled || p.Stop.State == order.State)
		if p.State.Ended() || ordered || s.stopping(p.Key) {
			continue
		}
		s.unit.Stops = append(s.unit.Stops, api.PodStopOrder{Key: p.Key, Stop: order})
		s.changed = true
	}
}

func (s *settling) stopping(key api.PodKey) bool {
	return slices.ContainsFunc(s.unit.Stops, func(o api.PodStopOrder) bool { return o.Key == key })
}

// judge settles open dependencies, and cancels what they forbid for good.
func (s *settling) judge() {
	s.unit.Dependencies = nil
	if len(s.rec.Dependencies) == 0 || s.st.Counts.Waiting == 0 {
		return
	}
	list := slices.Clone(s.rec.Dependencies)
	for i := range list {
		s.judgeOne(i, &list[i])
	}
	s.release(list)
	if sum := scheduler.Dependencies(&s.rec.Job.Spec, list, s.now); sum.Never && !s.rec.Job.Spec.KeepOnInvalidDependency {
		s.cancelWaiting(s.st.Waiting)
		s.st.Reason, s.st.Message = api.ReasonDependencyNever, sum.Message
	}
}

func (s *settling) judgeOne(position int, d *api.DependencyState) {
	if d.Met || d.Failed {
		return
	}
	v := scheduler.Judge(*d, s.now)
	if _, byTask := s.released[position]; byTask && v == scheduler.Failed {
		v = scheduler.Met // each task goes its own way, see release
	}
	d.Met, d.Failed = v == scheduler.Met, v == scheduler.Failed
	if v != scheduler.Open {
		s.unit.Dependencies = append(s.unit.Dependencies, api.DependencySettled{Position: position, Met: d.Met})
		s.changed = true
	}
}

// release keeps Status.Released: what the aftercorr dependencies let go. A task whose counterpart has
// ended otherwise can never start.
func (s *settling) release(list []api.DependencyState) {
	isCorr := func(d api.DependencyState) bool { return d.Kind == api.DependencyAfterCorr }
	isOpen := func(d api.DependencyState) bool { return !d.Met && !d.Failed }
	if !slices.ContainsFunc(list, isCorr) || !slices.ContainsFunc(s.rec.Dependencies, isOpen) {
		return // none, or all settled for good
	}
	free := s.letGo(list)
	if !slices.Equal(free, s.st.Released) {
		s.st.Released, s.changed = free, true
	}
	lost := s.st.Waiting.Minus(free)
	if len(lost) == 0 || slices.ContainsFunc(list, isOpen) || s.rec.Job.Spec.KeepOnInvalidDependency {
		return
	}
	s.cancelWaiting(lost)
	s.st.Reason = api.ReasonDependencyNever
	s.st.Message = "the same task of the job that it follows did not complete (aftercorr)"
}

// letGo is what all dependencies together let go, or what any of them does.
func (s *settling) letGo(list []api.DependencyState) api.Ranges {
	all := api.RangesOf(api.Range{From: 0, To: s.array.Len()})
	either, both := api.Ranges(nil), all
	for i, d := range list {
		var own api.Ranges
		if d.Met {
			own = all
		}
		if tasks, byTask := s.released[i]; byTask {
			own = tasks
		}
		either = either.Union(own)
		if d.Kind == api.DependencyAfterCorr {
			both = both.Intersect(own)
		}
	}
	if s.rec.Job.Spec.DependencyAny {
		return either
	}
	return both
}

func (s *settling) event(reason api.Reason, message string, key *api.PodKey) {
	s.unit.Events = append(s.unit.Events, api.Event{
		At: s.now, Kind: api.KindJob, Object: s.rec.Job.ID.String(), Pod: key, Reason: reason, Message: message, Actor: leader,
	})
}
