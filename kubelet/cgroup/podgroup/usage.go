package podgroup

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/coxswain-hpc/coxswain/kubelet/shim/shimapi"
)

// clockTick is USER_HZ: the kernel reports cpuacct.stat in hundredths on every architecture we run.
const clockTick = 10 * time.Millisecond

// Usage measures the group. Fields that the node can't measure stay 0. Peaks other than the
// kernel's own are the caller's to sample.
func Usage(c shimapi.Cgroup) (shimapi.Usage, error) {
	var u shimapi.Usage
	err := errors.Join(readCPU(c, &u), readMemory(c, &u), readPids(c, &u))
	return u, err
}

func readCPU(c shimapi.Cgroup, u *shimapi.Usage) error {
	if c.Tracker != "" {
		stat, err := readPairs(filepath.Join(c.Tracker, "cpu.stat"))
		u.CPUNS = stat["usage_usec"] * 1000
		u.CPUUserNS = stat["user_usec"] * 1000
		u.CPUSystemNS = stat["system_usec"] * 1000
		return err
	}
	if c.CPUAcct == "" {
		return nil
	}
	total, err := readInt(filepath.Join(c.CPUAcct, "cpuacct.usage"))
	if err != nil {
		return err
	}
	stat, err := readPairs(filepath.Join(c.CPUAcct, "cpuacct.stat"))
	u.CPUNS = total
	u.CPUUserNS = stat["user"] * int64(clockTick)
	u.CPUSystemNS = stat["system"] * int64(clockTick)
	return err
}

func readMemory(c shimapi.Cgroup, u *shimapi.Usage) error {
	switch {
	case c.MemoryV2 != "":
		return readMemoryV2(c.MemoryV2, u)
	case c.MemoryV1 != "":
		return readMemoryV1(c.MemoryV1, u)
	}
	return nil
}

func readMemoryV2(dir string, u *shimapi.Usage) error {
	current, err := readInt(filepath.Join(dir, "memory.current"))
	if err != nil {
		return err
	}
	// memory.peak came with Linux 5.19: without it the sampled peak has to do.
	peak, err := readInt(filepath.Join(dir, "memory.peak"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	u.MemoryBytes, u.MemoryPeak = current, peak
	u.RSSBytes, err = RSS(shimapi.Cgroup{MemoryV2: dir})
	if err != nil {
		return err
	}
	events, err := readPairs(filepath.Join(dir, "memory.events"))
	u.OOMKills = events["oom_kill"]
	return err
}

func readMemoryV1(dir string, u *shimapi.Usage) error {
	var err error
	if u.MemoryBytes, err = readInt(filepath.Join(dir, "memory.usage_in_bytes")); err != nil {
		return err
	}
	if u.MemoryPeak, err = readInt(filepath.Join(dir, "memory.max_usage_in_bytes")); err != nil {
		return err
	}
	if u.RSSBytes, err = RSS(shimapi.Cgroup{MemoryV1: dir}); err != nil {
		return err
	}
	u.OOMKills, err = oomKillsV1(dir)
	return err
}

// oomKillsV1 adds up the whole tree: v1 counts a kill only in the group of the victim.
func oomKillsV1(dir string) (int64, error) {
	dirs, err := Dirs(dir)
	if err != nil {
		return 0, err
	}
	var kills int64
	for _, d := range dirs {
		control, err := readPairs(filepath.Join(d, "memory.oom_control"))
		if err != nil && !gone(err) {
			return 0, err
		}
		kills += control["oom_kill"]
	}
	return kills, nil
}

// RSS reads the anonymous memory of all processes now, without page cache: what people mean by the
// memory of a job. Callers sample it for the peak.
func RSS(c shimapi.Cgroup) (int64, error) {
	var path, key string
	switch {
	case c.MemoryV2 != "":
		path, key = filepath.Join(c.MemoryV2, "memory.stat"), "anon"
	case c.MemoryV1 != "":
		path, key = filepath.Join(c.MemoryV1, "memory.stat"), "total_rss"
	default:
		return 0, nil
	}
	stat, err := readPairs(path)
	return stat[key], err
}

func readPids(c shimapi.Cgroup, u *shimapi.Usage) error {
	if c.PidsDir == "" {
		pids, err := Procs(c)
		u.Pids = int64(len(pids))
		return err
	}
	n, err := readInt(filepath.Join(c.PidsDir, "pids.current"))
	u.Pids = n
	return err
}

// readPairs reads a flat-keyed file ("name value" a line). Names with other shapes are skipped.
func readPairs(path string) (map[string]int64, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	pairs := make(map[string]int64)
	for line := range bytes.Lines(data) {
		name, value, ok := bytes.Cut(bytes.TrimSpace(line), []byte(" "))
		if !ok {
			continue
		}
		if n, err := strconv.ParseInt(string(value), 10, 64); err == nil {
			pairs[string(name)] = n
		}
	}
	return pairs, nil
}

func readInt(path string) (int64, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(string(bytes.TrimSpace(data)), 10, 64)
}
