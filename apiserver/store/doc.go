// Package store is the durable state: every query of the system, on Postgres.
//
// Words: intent is what API servers write (spec, hold, cancel), status what the leader writes;
// each column has one writer (see migrations). The feed has one row per writing transaction, which
// names what it touched; a cursor is a Postgres snapshot, so that a late commit is never skipped.
// The bell says "look at the feed": it is rung after the commit, may be lost, and is backed up by
// a poll. A unit is what the leader changes about one job in one commit.
//
// SQL lives in query/*.sql (sqlc makes internal/db of it); lists whose shape depends on the
// request are in list.go. Errors that leave the package are *api.Error. The package decides no
// policy: it must not know why a job is placed or who may see it.
package store
