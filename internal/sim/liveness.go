package sim

import (
	"fmt"
	"slices"
	"time"

	"github.com/coxswain-hpc/coxswain/api"
)

const (
	// restBound is how long the healed cluster may take to come to rest: the longest back-offs, and
	// arrays that run one task after the other.
	restBound = 8 * time.Hour
	// restLook is how often that is looked at.
	restLook = 20 * time.Second
)

// settleDown runs the healed cluster until it is at rest, and fails if it never is.
func (s *Sim) settleDown() {
	why := error(nil)
	for until := s.now + restBound; s.now < until && s.err == nil; {
		s.runUntil(s.now + restLook)
		if why = s.unrest(); why == nil {
			break
		}
	}
	switch {
	case s.err != nil:
	case why != nil:
		s.fail("the healed cluster did not come to rest in %s: %w", restBound, why)
	default:
		s.note("at rest")
		s.checker.atRest()
	}
}

// unrest is something that is left to do, or nil.
func (s *Sim) unrest() error {
	jobs, pods := s.store.Everything()
	for _, j := range jobs {
		if !j.Job.Status.State.Ended() {
			st := j.Job.Status
			return fmt.Errorf("job %d is %s (%s): %s", j.Job.ID, st.State, st.Reason, st.Message)
		}
	}
	for _, p := range pods {
		if p.Live() {
			return fmt.Errorf("pod %s on %s is %s and not released", p.Key, p.Node, p.State)
		}
	}
	for _, m := range s.machines {
		if err := m.unrest(); err != nil {
			return err
		}
	}
	return nil
}

func (m *machine) unrest() error {
	switch {
	case m.agent == nil || m.agent.link == nil:
		return fmt.Errorf("node %s is not connected", m.name)
	case len(m.procs) > 0:
		return fmt.Errorf("node %s runs %v", m.name, sortedKeys(m.procs))
	case len(m.records)+len(m.exits) > 0:
		return fmt.Errorf("node %s keeps records of %v", m.name, sortedKeys(m.records))
	case len(m.agent.pods) > 0:
		return fmt.Errorf("node %s knows %v", m.name, sortedKeys(m.agent.pods))
	case m.agent.outbox.Len() > 0:
		return fmt.Errorf("node %s has %d reports to tell", m.name, m.agent.outbox.Len())
	}
	return nil
}

// feasible says whether the job could run on some node of the cluster, empty and well.
func (s *Sim) feasible(j api.Job) bool {
	need := j.Spec.Roles[0].Template.Main().Requests
	var places int64
	for _, m := range s.machines {
		named := len(j.Spec.NodeNames) == 0 || slices.Contains(j.Spec.NodeNames, m.name)
		if !named || slices.Contains(j.Spec.ExcludedNodes, m.name) {
			continue
		}
		have := m.whole()
		fits := int64(1) << 30
		if need.CPUMillis > 0 {
			fits = min(fits, have.CPUMillis/need.CPUMillis)
		}
		if need.MemoryBytes > 0 {
			fits = min(fits, have.MemoryBytes/need.MemoryBytes)
		}
		places += fits
	}
	return places >= int64(j.Spec.Roles[0].Count)
}
