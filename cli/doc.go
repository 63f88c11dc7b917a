// Package cli is the command line and the composition root: it parses what people type, asks the
// API through api/client and prints, and it joins the server, the scheduler's loop and the kubelet
// for `cox server`, `cox kubelet` and `cox up`.
//
// One command is one file, one noun a common prefix (job_show.go, job_list.go). Standard output
// carries the answer and nothing else; notes, warnings and progress go to standard error. How a
// command exits is in exit.go.
//
// It holds no rules of its own about jobs or nodes: what is allowed, the server knows.
package cli
