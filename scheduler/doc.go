// Package scheduler decides what runs where. It is pure: Cycle takes a view of the cluster and an
// input (time, seed, policy, budget) and returns a plan; equal inputs give byte-equal plans. It knows
// no clock, network, disk, lock, goroutine or log.
//
// Words. A group is a set of identical waiting instances of one job: they share one shape (what a
// member needs of a node) and a shape is evaluated once per state of a node, so ten thousand equal
// tasks cost little more than one. A gate is a condition of a job that has nothing to do with nodes
// (held, dependency, begin time, %limit). A filter is a condition between a shape and a node. A
// score prefers one fitting node over another. A hold keeps capacity for a blocked job of high rank,
// and others may use it only as long as they do not delay that job.
//
// Cycle changes nodes of the view while it works (the overlay) and undoes all of it before it
// returns. Explain walks the same gates, filters and holds as Cycle: there is no second truth.
package scheduler
