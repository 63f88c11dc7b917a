package main

import (
	"errors"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/coxswain-hpc/coxswain/kubelet/shim/shimapi"
)

// becomeUser makes the calling thread the user until back is called. The goroutine must be locked to
// its thread, and the Go runtime starts no other thread from a locked one.
//
// On Linux an identity belongs to a thread; the wrappers of package syscall would change all of
// them, hence the raw calls. All of real, effective and saved ids change, since a FUSE file system
// of the user's refuses anything else. The effective capabilities go, and the permitted ones are
// kept, so that the way back is open. The other way, a second "init" process that never comes back,
// costs 4 to 9 ms of CPU time at each start. The price of this one: within the fraction of a
// millisecond the user may signal the shim, and so end his own pod.
func becomeUser(user *shimapi.User) (back func() error, err error) {
	if user == nil || os.Geteuid() != 0 {
		return func() error { return nil }, checkUser(user)
	}
	if err := unix.Prctl(unix.PR_SET_KEEPCAPS, 1, 0, 0, 0); err != nil {
		return nil, fmt.Errorf("keep capabilities: %w", err)
	}
	if err := setIDs(user.UID, user.GID, user.Groups); err != nil {
		return nil, err
	}
	return becomeRoot, nil
}

// becomeRoot takes root's identity and all capabilities back.
func becomeRoot() error {
	if err := raiseCapabilities(); err != nil {
		return fmt.Errorf("raise capabilities: %w", err)
	}
	// User before groups: the ids of root's groups need the right that comes with the user.
	if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, 0, 0, 0); errno != 0 {
		return fmt.Errorf("become root again: %w", errno)
	}
	err := setIDs(0, 0, nil)
	return errors.Join(err, unix.Prctl(unix.PR_SET_KEEPCAPS, 0, 0, 0, 0))
}

// setIDs sets groups, gid and uid of the calling thread.
func setIDs(uid, gid uint32, groups []uint32) error {
	var first *uint32
	if len(groups) > 0 {
		first = &groups[0]
	}
	//nolint:gosec // the pointer outlives the call and the kernel only reads the numbers
	_, _, errno := unix.RawSyscall(unix.SYS_SETGROUPS, uintptr(len(groups)), uintptr(unsafe.Pointer(first)), 0)
	if errno != 0 {
		return fmt.Errorf("setgroups: %w", errno)
	}
	g, u := uintptr(gid), uintptr(uid)
	if _, _, errno := unix.RawSyscall(unix.SYS_SETRESGID, g, g, g); errno != 0 {
		return fmt.Errorf("setresgid %d: %w", gid, errno)
	}
	if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, u, u, u); errno != 0 {
		return fmt.Errorf("setresuid %d: %w", uid, errno)
	}
	return nil
}

// raiseCapabilities makes the permitted capabilities effective again.
func raiseCapabilities() error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return err
	}
	for i := range data {
		data[i].Effective = data[i].Permitted
	}
	return unix.Capset(&header, &data[0])
}

// checkUser refuses to run somebody's pod as somebody else.
func checkUser(user *shimapi.User) error {
	if user != nil && int(user.UID) != os.Geteuid() {
		return fmt.Errorf("the kubelet runs as uid %d and can't start processes of uid %d: %w",
			os.Geteuid(), user.UID, unix.EPERM)
	}
	return nil
}
