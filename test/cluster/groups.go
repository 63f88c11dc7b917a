package cluster

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// groupsMax bounds the wait for processes that were killed.
const groupsMax = 10 * time.Second

// groupRoot is the root of `cox up` on a data directory in the cgroup hierarchies.
func groupRoot(dir string) string {
	sum := sha256.Sum256([]byte(dir))
	return "cox-" + hex.EncodeToString(sum[:4])
}

// RemoveGroups removes a root in the cgroup hierarchies with all that is in it: jobs outlive their
// cluster, but not its test.
func RemoveGroups(name string) {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for until := time.Now().Add(groupsMax); time.Now().Before(until); <-tick.C {
		left := 0
		for _, pattern := range []string{"/sys/fs/cgroup/" + name, "/sys/fs/cgroup/*/" + name} {
			roots, _ := filepath.Glob(pattern) // the pattern is good
			for _, root := range roots {
				if !removeGroup(root) {
					left++
				}
			}
		}
		if left == 0 {
			return
		}
	}
}

// removeGroup kills what is in a group and removes it, those in it first.
func removeGroup(dir string) bool {
	children, _ := os.ReadDir(dir) // one that is gone has none
	for _, child := range children {
		if child.IsDir() {
			removeGroup(filepath.Join(dir, child.Name()))
		}
	}
	procs, _ := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
	for line := range strings.Lines(string(procs)) {
		if pid, err := strconv.Atoi(strings.TrimSpace(line)); err == nil && pid > 1 {
			_ = syscall.Kill(pid, syscall.SIGKILL) // it may have ended
		}
	}
	err := os.Remove(dir)
	return err == nil || errors.Is(err, fs.ErrNotExist)
}
