// Package outbox holds the reports about pods until the server has acknowledged them.
//
// The durable truth is not here: it is the pods' directories, which stay until the end of the pod
// was acknowledged and the pod released. A restarted kubelet finds every unacknowledged fact there
// and adds it again. So the queue lives in memory, and a repeated report is normal.
//
// One batch is under way at a time: what is added meanwhile is gathered into the next one, so a
// busy node sends few large messages and an idle one sends at once. Of a pod only its newest fact
// is kept: a pod that starts and ends within one batch reports once.
//
// It is pure bookkeeping: it sends nothing, and one goroutine owns it.
package outbox

import (
	"github.com/coxswain-hpc/coxswain/api"
)

// BatchMax bounds the reports of one message: some 100 KiB, far below a message's limit.
const BatchMax = 500

// Queue is the reports that wait. The zero value is ready.
type Queue struct {
	pending  map[api.PodKey]api.PodReport
	order    []api.PodKey // of pending; may hold keys that were dropped
	inFlight []api.PodReport
	seq      int64
}

// Add queues a fact. It replaces an older one about the same pod and keeps its start time.
func (q *Queue) Add(r api.PodReport) {
	if q.pending == nil {
		q.pending = map[api.PodKey]api.PodReport{}
	}
	old, waiting := q.pending[r.Key]
	if waiting && old.State.Ended() && !r.State.Ended() {
		return // the end is the newer fact, whatever the order of arrival
	}
	if r.StartedAt == nil {
		r.StartedAt = old.StartedAt
	}
	if !waiting {
		q.order = append(q.order, r.Key)
	}
	q.pending[r.Key] = r
}

// Next returns the next batch to send, or false while one is under way or nothing waits.
func (q *Queue) Next() (api.KubeletReport, bool) {
	if len(q.inFlight) > 0 {
		return api.KubeletReport{}, false
	}
	for len(q.order) > 0 && len(q.inFlight) < BatchMax {
		key := q.order[0]
		q.order = q.order[1:]
		if r, ok := q.pending[key]; ok {
			delete(q.pending, key)
			q.inFlight = append(q.inFlight, r)
		}
	}
	if len(q.inFlight) == 0 {
		return api.KubeletReport{}, false
	}
	q.seq++
	return api.KubeletReport{Seq: q.seq, Pods: q.inFlight}, true
}

// Ack takes an acknowledgement and returns the reports that it covers. One that belongs to an
// earlier connection covers nothing.
func (q *Queue) Ack(seq int64) []api.PodReport {
	if seq != q.seq || len(q.inFlight) == 0 {
		return nil
	}
	acked := q.inFlight
	q.inFlight = nil
	return acked
}

// Reset takes back the batch under way, after the connection was lost.
func (q *Queue) Reset() {
	lost := q.inFlight
	q.inFlight = nil
	for _, r := range lost {
		if newer, waiting := q.pending[r.Key]; waiting {
			r = merge(r, newer)
		}
		q.Add(r)
	}
	q.seq++ // a late acknowledgement of the lost batch must not match the next one
}

// merge keeps the newer fact and the start time of either.
func merge(old, newer api.PodReport) api.PodReport {
	if newer.StartedAt == nil {
		newer.StartedAt = old.StartedAt
	}
	return newer
}

// Drop forgets what waits about a pod.
func (q *Queue) Drop(key api.PodKey) { delete(q.pending, key) }

// Len is the number of reports that are not acknowledged.
func (q *Queue) Len() int { return len(q.pending) + len(q.inFlight) }
