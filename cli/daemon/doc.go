// Package daemon is the composition root: it joins the store, the API, the scheduler's loop and the
// controllers to a server, and makes the node agent, from the settings that package cli read.
//
// It parses no flags and prints nothing; package cli does.
package daemon
