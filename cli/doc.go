// Package cli is the command line: it parses what people type, asks the API through api/client and
// prints. The daemons it knows by their settings alone (package daemon joins them): a command must
// start fast, and what a server links in takes longer to initialise than a submission.
//
// One command is one file, one noun a common prefix (job_show.go, job_list.go). Standard output
// carries the answer and nothing else; notes, warnings and progress go to standard error. How a
// command exits is in exit.go.
//
// It holds no rules of its own about jobs or nodes: what is allowed, the server knows.
package cli
