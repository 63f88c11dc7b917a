package cpu

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/coxswain-hpc/coxswain/api"
)

// cpuIDMax bounds the CPU numbers that are looked at: unix.CPUSet holds 1024, kernels go to 8192.
const cpuIDMax = 8192

// Affinity lists the CPUs that this process may run on.
func Affinity() ([]int, error) {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(os.Getpid(), &set); err != nil {
		return nil, err
	}
	var out []int
	for id := range len(set) * 64 {
		if set.IsSet(id) {
			out = append(out, id)
		}
	}
	return out, nil
}

// readTopology describes the usable CPUs that are online, in order of id.
func readTopology(sys string, usable []int) ([]api.CPU, error) {
	base := filepath.Join(sys, "devices/system/cpu")
	online, err := os.ReadFile(filepath.Join(base, "online"))
	if err != nil {
		return nil, fmt.Errorf("read the list of CPUs: %w", err)
	}
	ids, err := ParseList(strings.TrimSpace(string(online)))
	if err != nil {
		return nil, fmt.Errorf("read the list of CPUs: %w", err)
	}
	numa := numaOfCPU(sys)
	cores := map[[3]int]int{} // (socket, die, core id) to a number that is unique over the machine
	var out []api.CPU
	for _, id := range ids {
		dir := filepath.Join(base, "cpu"+strconv.Itoa(id), "topology")
		// A machine that doesn't tell (some virtual ones) counts as one socket of single threads.
		socket, die := readNumber(dir, "physical_package_id", 0), readNumber(dir, "die_id", 0)
		key := [3]int{socket, die, readNumber(dir, "core_id", id)}
		if _, ok := cores[key]; !ok {
			cores[key] = len(cores)
		}
		if slices.Contains(usable, id) {
			out = append(out, api.CPU{ID: id, Core: cores[key], Socket: max(socket, 0), NUMA: numa[id]})
		}
	}
	if len(out) == 0 {
		return nil, api.Errorf(api.CodeInvalid, "none of the CPUs %v is online; nothing can run here", usable)
	}
	return out, nil
}

func readNumber(dir, name string, missing int) int {
	data, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return missing
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(data)))
	if err != nil {
		return missing
	}
	return n
}

// numaDirs lists the NUMA nodes by id.
func numaDirs(sys string) map[int]string {
	paths, _ := filepath.Glob(filepath.Join(sys, "devices/system/node/node[0-9]*")) // a constant pattern
	out := map[int]string{}
	for _, path := range paths {
		if id, err := strconv.Atoi(strings.TrimPrefix(filepath.Base(path), "node")); err == nil {
			out[id] = path
		}
	}
	return out
}

func numaOfCPU(sys string) map[int]int {
	out := map[int]int{}
	for node, dir := range numaDirs(sys) {
		data, err := os.ReadFile(filepath.Join(dir, "cpulist"))
		if err != nil {
			continue
		}
		ids, err := ParseList(strings.TrimSpace(string(data)))
		if err != nil {
			continue
		}
		for _, id := range ids {
			out[id] = node
		}
	}
	return out
}

// readNUMA lists the memory domains; a kernel without NUMA has one with all memory.
func readNUMA(sys string, total int64) []api.NUMANode {
	var out []api.NUMANode
	for id, dir := range numaDirs(sys) {
		if size := memTotal(filepath.Join(dir, "meminfo")); size > 0 {
			out = append(out, api.NUMANode{ID: id, MemoryBytes: size})
		}
	}
	if len(out) == 0 {
		return []api.NUMANode{{ID: 0, MemoryBytes: total}}
	}
	slices.SortFunc(out, func(a, b api.NUMANode) int { return a.ID - b.ID })
	return out
}

// memTotal reads "Node 0 MemTotal:  24576000 kB".
func memTotal(path string) int64 {
	data, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	lines := bufio.NewScanner(bytes.NewReader(data))
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 4 || fields[2] != "MemTotal:" {
			continue
		}
		kib, err := strconv.ParseInt(fields[3], 10, 64)
		if err != nil {
			return 0
		}
		return kib << 10
	}
	return 0
}

// ParseList reads the kernel's list format: "0-3,8,10-11". An empty list has no CPU.
func ParseList(list string) ([]int, error) {
	var out []int
	if list == "" {
		return nil, nil
	}
	for part := range strings.SplitSeq(list, ",") {
		firstText, lastText, isRange := strings.Cut(part, "-")
		if !isRange {
			lastText = firstText
		}
		first, err1 := strconv.Atoi(firstText)
		last, err2 := strconv.Atoi(lastText)
		if err1 != nil || err2 != nil || first < 0 || last < first || last > cpuIDMax {
			return nil, fmt.Errorf("%q is no list of CPUs such as 0-3,8", list)
		}
		for id := first; id <= last; id++ {
			out = append(out, id)
		}
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}
