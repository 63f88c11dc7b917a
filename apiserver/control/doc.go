// Package control holds the controllers: services of the leader's server, a file each, that carry out
// what the store says is due.
//
// A controller takes no input but the time. It reads what is due, does it, and stores that it is done;
// it may be run at any moment, by several servers at once, and again after a crash. It must not decide
// about jobs: that is scheduler/loop, whose commits hold the orders that are carried out here.
package control
