// Package loop is the leader's shell around scheduler.Cycle: it keeps the cluster in memory, follows
// the change feed, folds ended pods into their jobs, runs cycles and commits what they decide in
// batches that the leader's term fences. The world here is a cache of the store, never a second
// truth: after any doubt it is loaded again.
package loop
