package main

import (
	"time"

	"github.com/coxswain-hpc/coxswain/kubelet/shim/shimapi"
)

// Sampling of memory: often at first, when programs allocate, then ever less.
const (
	sampleFirst = 250 * time.Millisecond
	sampleMax   = 5 * time.Second
)

// killAgain repeats a kill until the pod is empty; a v1 freeze may miss a fork.
const killAgain = 200 * time.Millisecond

// leftoverPatience is how long the reaper has to say that nothing is left, before /proc is searched.
const leftoverPatience = 2 * time.Millisecond

// timeline is when a pod's next things are due, in nanoseconds on CLOCK_BOOTTIME; 0 is never.
type timeline struct {
	limit, warn, lease, kill, sample int64
	sampleEvery                      time.Duration
}

// started sets what counts from the first instruction.
func (t *timeline) started(spec shimapi.Spec, now int64) {
	t.sampleEvery = sampleFirst
	t.sample = now + int64(sampleFirst)
	t.lease = spec.LeaseBoottimeNS
	if spec.TimeLimitMS > 0 {
		t.setLimit(now+spec.TimeLimitMS*int64(time.Millisecond), spec.Warn, now)
	}
}

// setLimit moves the time limit and the warning before it. A warning that would already be past is
// given at once rather than never, but only if there is time left.
func (t *timeline) setLimit(limit int64, warn *shimapi.Warn, now int64) {
	t.limit, t.warn = limit, 0
	if limit != 0 && warn != nil && limit > now {
		t.warn = max(now, limit-warn.BeforeMS*int64(time.Millisecond))
	}
}

// sampled plans the next sample.
func (t *timeline) sampled(now int64) {
	t.sampleEvery = min(2*t.sampleEvery, sampleMax)
	t.sample = now + int64(t.sampleEvery)
}

// next is the earliest thing due, or 0.
func (t *timeline) next() int64 {
	next := int64(0)
	for _, at := range []int64{t.limit, t.warn, t.lease, t.kill, t.sample} {
		if at != 0 && (next == 0 || at < next) {
			next = at
		}
	}
	return next
}

// take reports whether *at is due, and clears it if so.
func take(at *int64, now int64) bool {
	if *at == 0 || now < *at {
		return false
	}
	*at = 0
	return true
}
