// Package postgres keeps the private Postgres of `cox up`: a database server that belongs to one
// data directory, listens on a Unix socket in it and nowhere else, and lets nobody in but the user
// that runs it and the user that made it (peer authentication, no passwords).
//
// Root runs it as an unprivileged user, since Postgres refuses to be root. The package finds the
// installed programs, makes the database once, says how to start it and clears away a server that
// outlived its `cox up`. Starting, watching and stopping are the supervisor's.
package postgres
