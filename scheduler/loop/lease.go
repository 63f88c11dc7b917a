package loop

import (
	"fmt"
	"time"

	"github.com/coxswain-hpc/coxswain/api"
)

// leaseWatch measures how long each node has been silent, on the leader's own monotonic clock, from
// seeing that a lease's sequence stands still. A time in which the store could not be read counts for
// nobody, and neither does one in which this process did not run.
type leaseWatch struct {
	suspectAfter, downAfter time.Duration
	interval                time.Duration // between two looks
	last                    time.Duration // boot time of the last look
	counting                bool          // the time since last counts
	nodes                   map[string]*silence
}

// silence is what is known of one node's lease.
type silence struct {
	bootID string
	seq    int64
	silent time.Duration
}

// reset starts every count afresh: a new leader knows nothing of what was before it.
func (w *leaseWatch) reset() {
	w.counting = false
	w.last = 0
	w.nodes = map[string]*silence{}
}

// interrupt notes that the store was away: the time up to the next look counts for nobody.
func (w *leaseWatch) interrupt() { w.counting = false }

// due says whether it is time to look again.
func (w *leaseWatch) due(boot time.Duration) bool { return w.last == 0 || boot-w.last >= w.interval }

// observe takes one look at all leases and returns what follows for the nodes.
func (w *leaseWatch) observe(
	leases []api.Lease, nodes []api.Node, boot time.Duration, now time.Time,
) []api.NodeStateChange {
	var passed time.Duration
	if w.counting {
		passed = min(boot-w.last, 2*w.interval)
	}
	w.last, w.counting = boot, true
	byNode := make(map[string]api.Lease, len(leases))
	for _, lease := range leases {
		byNode[lease.Node] = lease
	}
	var out []api.NodeStateChange
	known := make(map[string]*silence, len(nodes))
	for _, n := range nodes {
		s, heard := w.listen(n.Name, byNode[n.Name], passed)
		known[n.Name] = s
		if state := w.conclude(n.Status.State, s.silent, heard); state != n.Status.State {
			out = append(out, api.NodeStateChange{Name: n.Name, State: state, Since: now})
		}
	}
	w.nodes = known
	return out
}

// listen updates one node's silence. The first look at a node only starts its count.
func (w *leaseWatch) listen(name string, lease api.Lease, passed time.Duration) (s *silence, heard bool) {
	s, known := w.nodes[name]
	if !known {
		return &silence{bootID: lease.BootID, seq: lease.Seq}, false
	}
	if s.seq != lease.Seq || s.bootID != lease.BootID {
		return &silence{bootID: lease.BootID, seq: lease.Seq}, true
	}
	s.silent += passed
	return s, false
}

func (w *leaseWatch) conclude(state api.NodeState, silent time.Duration, heard bool) api.NodeState {
	switch {
	case heard:
		return api.NodeReady
	case silent >= w.downAfter:
		return api.NodeDown
	case silent >= w.suspectAfter && state == api.NodeReady:
		return api.NodeSuspect
	}
	return state
}

// lostEnds are the ends of a job's pods whose nodes are down or gone.
func (w *world) lostEnds(j *job, now time.Time) []api.PodEnd {
	var out []api.PodEnd
	for _, p := range w.podsOf(j) {
		n, known := w.nodes[p.Node]
		if p.State.Ended() || (known && n.rec.Status.State != api.NodeDown) {
			continue
		}
		message := fmt.Sprintf("node %s has not been heard from for too long", p.Node)
		if !known {
			message = fmt.Sprintf("node %s was removed from the cluster", p.Node)
		}
		out = append(out, api.PodEnd{Key: p.Key, Event: api.PodEvent{
			State: api.PodNodeFailed, At: now, Exit: &api.PodExit{Reason: api.ReasonNodeLost, Message: message},
		}})
	}
	return out
}
