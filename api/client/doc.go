// Package client is the typed HTTP client of the Coxswain API: one file per resource, in the words
// of package api. It speaks plain HTTP over the cluster's Unix socket, where the kernel says who
// the caller is, or HTTPS with a pinned certificate authority and a bearer token.
//
// Errors are *api.Error. A request that may be repeated without harm is repeated while the server
// or its database is away, for at most RetryMax; Options.Notify hears about it. Requests that
// could take effect twice are repeated only when they never left this machine.
//
// The package prints nothing and reads no configuration: that is the command line's business.
package client
