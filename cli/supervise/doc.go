// Package supervise runs child processes for `cox up`: it starts them, writes their output to log
// files, starts one that ended again after a growing pause, and stops them in order.
//
// A child dies with its supervisor (the kernel signals it), so that nothing is left behind when the
// supervisor is killed. The package knows nothing of what the children are.
package supervise
