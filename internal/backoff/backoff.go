// Package backoff says how long to wait before the next try: exponentially longer, capped, and
// jittered so that a thousand nodes that lost one server do not all come back in one instant.
// It only computes: waiting is the caller's, and so is the random source.
package backoff

import (
	"math/rand/v2"
	"time"
)

// Policy is the shape of a wait. The zero value waits not at all.
type Policy struct {
	// Min is the first wait before jitter.
	Min time.Duration
	// Max caps every wait. Values below Min count as Min.
	Max time.Duration
}

// maxDoublings bounds the exponent: beyond it every real policy has reached its Max.
const maxDoublings = 32

// Wait is the pause after the given number of failures in a row (1 for the first), drawn evenly
// from the upper half of the exponential wait: long enough to help, spread enough to not herd.
func (p Policy) Wait(failures int, rng *rand.Rand) time.Duration {
	full := p.full(failures)
	half := full / 2
	if half <= 0 {
		return full
	}
	return half + time.Duration(rng.Int64N(int64(full-half)+1))
}

func (p Policy) full(failures int) time.Duration {
	wait, limit := p.Min, max(p.Min, p.Max)
	for range min(failures-1, maxDoublings) {
		if wait > limit/2 {
			return limit
		}
		wait *= 2
	}
	return wait
}

// Backoff counts the failures of one thing that is retried by one goroutine.
type Backoff struct {
	policy   Policy
	rng      *rand.Rand
	failures int
}

// New returns a Backoff that draws its jitter from rng, which it then owns.
func New(policy Policy, rng *rand.Rand) *Backoff {
	return &Backoff{policy: policy, rng: rng}
}

// Next counts one more failure and returns how long to wait before the next try.
func (b *Backoff) Next() time.Duration {
	b.failures++
	return b.policy.Wait(b.failures, b.rng)
}

// Failures is the number of failures since the last success.
func (b *Backoff) Failures() int { return b.failures }

// Reset notes a success.
func (b *Backoff) Reset() { b.failures = 0 }
