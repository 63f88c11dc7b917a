package loop

import "github.com/coxswain-hpc/coxswain/api"

// A set of ordinals that is stored has at most api.RangesMax pieces. This file keeps jobs below it:
// what would break a crowded set up further waits until dispatch, which takes the lowest ordinals
// first, has made room. Without it one job's commit would be refused again and again, and with it
// everybody's.

// crowded says whether a set of the job is at its bound, so that something of it may have been put
// off: each bind is then a reason to settle it again.
func crowded(st api.JobStatus) bool {
	return len(st.Waiting) >= api.RangesMax || len(st.Released) >= api.RangesMax
}

// crowds says whether an instance that ended and would wait again has to stay unsettled for now.
func (s *settling) crowds(ordinal int64, p api.Pod) bool {
	if len(s.st.Waiting) < api.RangesMax || (!p.State.NodesFault() && !s.retriesExit(p)) {
		return false
	}
	return len(s.st.Waiting.Add(ordinal)) > api.RangesMax
}

// cancellable is as much of some waiting ordinals as can be taken out now: each piece that goes makes
// at most one piece more.
func (s *settling) cancellable(ordinals api.Ranges) api.Ranges {
	if len(s.st.Waiting.Minus(ordinals)) <= api.RangesMax {
		return ordinals
	}
	return ordinals[:min(len(ordinals), max(0, api.RangesMax-len(s.st.Waiting)))]
}

// storable is as much of what dependencies let go as can be stored: what is still of use, the lowest
// first.
func storable(free, waiting api.Ranges) api.Ranges {
	if len(free) <= api.RangesMax {
		return free
	}
	free = free.Intersect(waiting)
	return free[:min(len(free), api.RangesMax)]
}

// placeable keeps those of a job's binds that leave a set of waiting ordinals which can be stored.
// Binds come with the lowest ordinals first, which breaks up no piece.
func placeable(waiting api.Ranges, binds []api.Bind) []api.Bind {
	if len(waiting)+len(binds) <= api.RangesMax {
		return binds // each makes at most one piece more
	}
	var kept []api.Bind
	for _, b := range binds {
		rest := waiting.Remove(b.Ordinal)
		if len(rest) > api.RangesMax && len(rest) > len(waiting) {
			continue
		}
		waiting, kept = rest, append(kept, b)
	}
	return kept
}
