// Package invariants switches on what only test builds pay for: checks that cost too much to run
// for users, and rare branches taken often. It is chosen by the build tag `invariants`; in
// ordinary builds Enabled is a false constant, and the compiler drops what it guards.
//
//	if invariants.Enabled {
//		state.check() // compares every index with a fresh computation
//	}
package invariants

import "math/rand/v2"

// Sometimes reports true with the given probability in percent, drawn from rng, in builds with
// the tag `invariants`, and never in others: shells use it to shrink batches, drop wake-ups and
// time out early, so that a simulation meets those paths in minutes.
func Sometimes(rng *rand.Rand, percent int) bool {
	return Enabled && rng.IntN(100) < percent
}
