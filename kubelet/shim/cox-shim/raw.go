package main

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// rawSetgroups is setgroups(2) for the calling thread alone.
func rawSetgroups(n int, first *uint32) error {
	//nolint:gosec // the pointer outlives the call and the kernel only reads n numbers from it
	_, _, errno := unix.RawSyscall(unix.SYS_SETGROUPS, uintptr(n), uintptr(unsafe.Pointer(first)), 0)
	if errno != 0 {
		return errno
	}
	return nil
}
