package loop

import (
	"fmt"
	"strings"

	"github.com/coxswain-hpc/coxswain/api"
)

// conclude derives the job's state from its counts, and ends the job when nothing is left of it.
func (s *settling) conclude() {
	if !s.changed {
		return
	}
	c := s.st.Counts
	if c.Waiting == 0 { // what is left of it runs
		s.st.Reason, s.st.Message = api.ReasonNone, ""
	}
	switch {
	case c.Waiting+c.Live == 0:
		s.end()
	case c.Live > 0:
		s.st.State = api.JobRunning
	default:
		s.st.State = api.JobPending
	}
	s.unit.Status = s.st
}

func (s *settling) end() {
	at := s.now
	s.st.EndedAt = &at
	s.st.State = endState(s.st.Counts, s.rec.CancelWanted)
	s.st.Reason, s.st.Message = s.why()
	s.event(s.st.Reason, fmt.Sprintf("ended as %s: %s", s.st.State, s.st.Message), nil)
	s.mailEnd()
}

// endStates are the end states of a job, the worst first, each with its count.
var endStates = []struct {
	state  api.JobState
	reason api.Reason
	words  string
	count  func(c api.JobCounts) int64
}{
	{
		api.JobFailed, api.ReasonExitCode, "failed",
		func(c api.JobCounts) int64 { return c.Failed },
	},
	{
		api.JobOutOfMemory, api.ReasonOutOfMemory, "ran out of memory",
		func(c api.JobCounts) int64 { return c.OutOfMemory },
	},
	{
		api.JobTimeout, api.ReasonTimeLimit, "reached the time limit",
		func(c api.JobCounts) int64 { return c.Timeout },
	},
	{
		api.JobNodeFailed, api.ReasonNodeLost, "were lost with their nodes",
		func(c api.JobCounts) int64 { return c.NodeFailed },
	},
	{
		api.JobCancelled, api.ReasonCancelled, "were cancelled",
		func(c api.JobCounts) int64 { return c.Cancelled },
	},
	{
		api.JobCompleted, api.ReasonNone, "completed",
		func(c api.JobCounts) int64 { return c.Completed },
	},
}

// endState is the worst end of the instances; a job that was cancelled as a whole is cancelled.
func endState(c api.JobCounts, cancelled bool) api.JobState {
	if cancelled && c.Cancelled > 0 {
		return api.JobCancelled
	}
	for _, e := range endStates {
		if e.count(c) > 0 {
			return e.state
		}
	}
	return api.JobCompleted
}

// why is the reason and the sentence of a job that ended.
func (s *settling) why() (api.Reason, string) {
	if s.never != "" {
		return api.ReasonDependencyNever, s.never
	}
	if s.rec.CancelWanted && s.st.State == api.JobCancelled {
		return api.ReasonCancelled, "cancelled by " + orSomebody(s.rec.CancelBy)
	}
	if s.st.Counts.Done() == 1 && s.ended != nil {
		return reasonOf(*s.ended), messageOf(*s.ended)
	}
	reason := api.ReasonNone
	for _, e := range endStates {
		if e.state == s.st.State {
			reason = e.reason
		}
	}
	return reason, tally(s.st.Counts)
}

func orSomebody(by string) string {
	if by == "" {
		return "its user"
	}
	return by
}

// tally says in words how many instances ended how.
func tally(c api.JobCounts) string {
	var parts []string
	for _, e := range endStates {
		if n := e.count(c); n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, e.words))
		}
	}
	return fmt.Sprintf("of %d tasks %s", c.Done(), strings.Join(parts, ", "))
}

// endReasons are the reasons of ends that carry none of their own.
var endReasons = map[api.PodState]api.Reason{
	api.PodFailed:      api.ReasonExitCode,
	api.PodTimeout:     api.ReasonTimeLimit,
	api.PodOutOfMemory: api.ReasonOutOfMemory,
	api.PodCancelled:   api.ReasonCancelled,
	api.PodPreempted:   api.ReasonPreempted,
	api.PodNodeFailed:  api.ReasonNodeLost,
	api.PodShimLost:    api.ReasonShimLost,
	api.PodRefused:     api.ReasonStale,
	api.PodStartFailed: api.ReasonNode,
}

func reasonOf(p api.Pod) api.Reason {
	if p.Exit != nil && p.Exit.Reason != api.ReasonNone {
		return p.Exit.Reason
	}
	return endReasons[p.State]
}

// messageOf is a sentence about how a pod ended.
func messageOf(p api.Pod) string {
	switch {
	case p.Exit != nil && p.Exit.Message != "":
		return p.Exit.Message
	case p.Exit != nil && p.Exit.Signal != 0:
		return fmt.Sprintf("killed by signal %d", p.Exit.Signal)
	case p.State == api.PodFailed && p.Exit != nil:
		return fmt.Sprintf("exit code %d", p.Exit.Code)
	case p.State == api.PodNodeFailed:
		return fmt.Sprintf("node %s was lost", p.Node)
	}
	return fmt.Sprintf("%s on %s", p.State, p.Node)
}
