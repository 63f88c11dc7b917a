package main

import (
	"bytes"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/coxswain-hpc/coxswain/kubelet/cgroup/podgroup"
	"github.com/coxswain-hpc/coxswain/kubelet/shim/shimapi"
)

// members lists the processes of the pod: by cgroup where there is one, else every descendant of the
// shim. As subreaper it is the ancestor of all of them, whatever they did with sessions and forks.
func members(c shimapi.Cgroup) ([]int, error) {
	if c.Tracks() {
		return podgroup.Procs(c)
	}
	parents, err := parentTable()
	if err != nil {
		return nil, err
	}
	return descendants(parents, os.Getpid()), nil
}

// killMembers kills every process of the pod, once.
func killMembers(c shimapi.Cgroup) error {
	if c.Tracks() {
		return podgroup.Kill(c)
	}
	pids, err := members(c)
	for _, pid := range pids {
		_ = unix.Kill(pid, unix.SIGKILL) // may have ended meanwhile
	}
	return err
}

// parentTable maps each process to its parent.
func parentTable() (map[int]int, error) {
	proc, err := os.Open("/proc")
	if err != nil {
		return nil, err
	}
	defer func() { _ = proc.Close() }() // read only
	names, err := proc.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	parents := make(map[int]int)
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		if fields := statFields(pid); len(fields) > statParent {
			parents[pid], _ = strconv.Atoi(string(fields[statParent]))
		}
	}
	return parents, nil
}

// Positions in /proc/PID/stat after the command's name.
const (
	statParent = 1
	statStart  = 19
)

// statFields gives the fields after "PID (name)"; a name may hold spaces and parentheses.
func statFields(pid int) [][]byte {
	data, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return nil
	}
	return bytes.Fields(data[bytes.LastIndexByte(data, ')')+1:])
}

// descendants lists the processes below root.
func descendants(parents map[int]int, root int) []int {
	var out []int
	for pid := range parents {
		if isBelow(parents, pid, root) {
			out = append(out, pid)
		}
	}
	return out
}

func isBelow(parents map[int]int, pid, root int) bool {
	for range len(parents) { // bounded: the table is read without a lock and may hold a loop
		parent, ok := parents[pid]
		if !ok {
			return false
		}
		if parent == root {
			return true
		}
		pid = parent
	}
	return false
}

// identify gives a process's identity across reuse of its pid.
func identify(pid int) shimapi.Process {
	p := shimapi.Process{PID: pid}
	if fields := statFields(pid); len(fields) > statStart {
		p.StartTicks, _ = strconv.ParseUint(string(fields[statStart]), 10, 64)
	}
	return p
}
