// Package nofile remembers the soft limit of open files that this process was started with: package
// syscall raises it when the program starts, and a job is to get what its submitter had.
//
// It must import nothing that has an initialiser: then it runs before package syscall does. That is
// why the one system call that it makes is reached by its linker name. The test would notice if
// either changed.
package nofile

import "unsafe"

// limit is struct rlimit64.
type limit struct{ cur, max uint64 }

var atStart = read() //nolint:gochecknoglobals // what the process began with, before Go's start raises it

// rawSyscall6 is syscall.RawSyscall6, which the standard library keeps reachable this way.
//
//go:linkname rawSyscall6 syscall.RawSyscall6
//go:noescape
func rawSyscall6(trap, a1, a2, a3, a4, a5, a6 uintptr) (r1, r2, errno uintptr)

const resourceNofile = 7 // RLIMIT_NOFILE

func read() limit {
	var l limit
	//nolint:gosec // a system call's argument
	_, _, errno := rawSyscall6(sysPrlimit64, 0, resourceNofile, 0, uintptr(unsafe.Pointer(&l)), 0, 0)
	if errno != 0 {
		return limit{}
	}
	return l
}

// AtStart is the soft limit that the process began with; 0 if it is unknown.
func AtStart() uint64 { return atStart.cur }
