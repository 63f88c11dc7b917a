package loop

import (
	"maps"
	"slices"

	"github.com/coxswain-hpc/coxswain/api"
)

// serveCancel ends what is wished to end: waiting instances at once, live ones by an order to their
// nodes.
func (s *settling) serveCancel() {
	order := api.PodStop{State: api.PodCancelled, Reason: api.ReasonCancelled, By: s.rec.CancelBy}
	if s.rec.CancelWanted {
		s.cancelWaiting(s.st.Waiting)
		s.stop(s.pods, order)
		return
	}
	var wanted []api.Range
	for _, ordinal := range slices.Sorted(maps.Keys(s.rows)) {
		if s.rows[ordinal].CancelWanted {
			wanted = append(wanted, api.Range{From: ordinal, To: ordinal + 1})
			s.stop(s.podsOf(ordinal), order)
		}
	}
	s.cancelWaiting(s.st.Waiting.Intersect(api.RangesOf(wanted...)))
}

// cancelWaiting counts waiting instances as cancelled, as many as the bound on pieces allows now.
func (s *settling) cancelWaiting(ordinals api.Ranges) {
	ordinals = s.cancellable(ordinals)
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
		if !perTask(s.rec.Job.Spec) {
			s.mail(api.MailRequeue, "", "requeued as a whole")
		}
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
