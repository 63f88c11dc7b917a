// Package podgroup acts on the members of one existing pod group: who is in it, signal them, kill
// them all, measure them. The kubelet's cgroup driver and cox-shim share it, so that a pod dies and
// is measured in the same way whichever of the two is alive.
//
// It knows the files of cgroup v1 and v2 and creates or removes no group; that is the driver's.
// Imports are the standard library, x/sys and shimapi, because cox-shim must stay small.
package podgroup

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/coxswain-hpc/coxswain/kubelet/shim/shimapi"
)

// DepthMax bounds the walk below a pod group. We make one level; a job that was handed a delegated
// group may have made a few more.
const DepthMax = 8

// membership is the directory whose cgroup.procs files say which processes are the pod's.
func membership(c shimapi.Cgroup) string {
	if c.Tracker != "" {
		return c.Tracker
	}
	return c.Freezer
}

// Dirs lists root and the groups below it, deepest first, as they must be removed.
func Dirs(root string) ([]string, error) {
	return appendDirs(nil, root, DepthMax)
}

func appendDirs(out []string, dir string, depth int) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return out, nil
	}
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if e.IsDir() && depth > 0 {
			if out, err = appendDirs(out, filepath.Join(dir, e.Name()), depth-1); err != nil {
				return nil, err
			}
		}
	}
	return append(out, dir), nil
}

// Procs lists the processes of the pod. A group that is gone has none.
func Procs(c shimapi.Cgroup) ([]int, error) {
	root := membership(c)
	if root == "" {
		return nil, nil
	}
	dirs, err := Dirs(root)
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, dir := range dirs {
		if pids, err = appendPids(pids, filepath.Join(dir, "cgroup.procs")); err != nil {
			return nil, err
		}
	}
	return pids, nil
}

func appendPids(pids []int, path string) ([]int, error) {
	data, err := os.ReadFile(path)
	if gone(err) {
		return pids, nil
	}
	if err != nil {
		return nil, err
	}
	for word := range bytes.FieldsSeq(data) {
		// 0 stands for a process of another pid namespace; it can't be signalled by number.
		if pid, err := strconv.Atoi(string(word)); err == nil && pid > 0 {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

// gone reports an error that means "the group was removed meanwhile".
func gone(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENODEV)
}

// Empty reports whether no process is in the group.
func Empty(c shimapi.Cgroup) (bool, error) {
	if c.Tracker == "" {
		pids, err := Procs(c)
		return len(pids) == 0, err
	}
	events, err := readPairs(filepath.Join(c.Tracker, "cgroup.events"))
	if gone(err) {
		return true, nil
	}
	return events["populated"] == 0, err
}
