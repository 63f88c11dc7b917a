package loop

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/coxswain-hpc/coxswain/api"
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
	never   string   // which dependency can't be met any more, if that was found now
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
	if s.crowds(ordinal, decider) {
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
		message := fmt.Sprintf("given up after %d attempts: %s", faults, messageOf(p))
		p.Exit = &api.PodExit{Reason: reasonOf(p), Message: message}
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
	s.event(reasonOf(p), fmt.Sprintf("%s on %s ended as %s and is placed again: %s",
		p.Key, p.Node, p.State, messageOf(p)), &p.Key)
	if how.restart {
		s.mailAgain(p)
	}
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
	s.mailFinish(p)
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

func (s *settling) event(reason api.Reason, message string, key *api.PodKey) {
	s.unit.Events = append(s.unit.Events, api.Event{
		At: s.now, Kind: api.KindJob, Object: s.rec.Job.ID.String(), Pod: key, Reason: reason, Message: message,
		Actor: leader,
	})
}
