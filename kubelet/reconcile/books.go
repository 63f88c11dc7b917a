package reconcile

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/coxswain-hpc/coxswain/api"
)

// books are the node's own account of what is taken. The leader keeps the same account; the two
// differ when the inventory changed after a placement.
type books struct {
	free api.Resources
	// owner of each exclusive CPU; CPUs that the node doesn't offer are missing, unless a pod has them
	// from before.
	owner   map[int]string
	offered map[int]bool
}

func newBooks(in Input) *books {
	b := &books{
		free: in.Allocatable, owner: make(map[int]string, len(in.Topology)),
		offered: make(map[int]bool, len(in.Topology)),
	}
	for _, c := range in.Topology {
		b.owner[c.ID], b.offered[c.ID] = "", true
	}
	for _, key := range keys(Input{Pods: in.Pods}) {
		if p := in.Pods[key]; p.Holds() {
			b.hold(p.Assignment)
		}
	}
	return b
}

// hold books a pod that is here already, fit or not.
func (b *books) hold(a api.PodAssignment) {
	b.free = b.free.Sub(a.Resources)
	ids, err := parseCPUs(a.CPUs)
	if err != nil {
		return // it was admitted by an older kubelet; its share of CPUs is counted in any case
	}
	for _, id := range ids {
		b.owner[id] = a.Key.String()
	}
}

// take books a new pod, or says in a sentence why it doesn't fit.
func (b *books) take(a api.PodAssignment) string {
	if !a.Resources.Fits(b.free) {
		return fmt.Sprintf("the node has %d CPU millis and %d bytes of memory free, the pod needs %d and %d",
			b.free.CPUMillis, b.free.MemoryBytes, a.Resources.CPUMillis, a.Resources.MemoryBytes)
	}
	ids, err := parseCPUs(a.CPUs)
	if err != nil {
		return err.Error()
	}
	for _, id := range ids {
		owner, offered := b.owner[id]
		if !offered {
			return fmt.Sprintf("the node does not offer CPU %d", id)
		}
		if owner != "" {
			return fmt.Sprintf("CPU %d belongs to pod %s", id, owner)
		}
	}
	b.hold(a)
	return ""
}

// keep says in a sentence why a pod that is booked and has not started fits no longer: the inventory may
// have shrunk since.
func (b *books) keep(a api.PodAssignment) string {
	cpus := a.Resources.CPUMillis > 0 && b.free.CPUMillis < 0
	memory := a.Resources.MemoryBytes > 0 && b.free.MemoryBytes < 0
	if cpus || memory {
		return "the node offers less than when the pod was taken on, and what runs takes it all"
	}
	ids, err := parseCPUs(a.CPUs)
	if err != nil {
		return err.Error()
	}
	for _, id := range ids {
		if !b.offered[id] {
			return fmt.Sprintf("the node does not offer CPU %d any more", id)
		}
	}
	return ""
}

// cpuIDMax bounds a CPU number; no kernel numbers higher.
const cpuIDMax = 8192

// parseCPUs reads "0-1,4".
func parseCPUs(list string) ([]int, error) {
	if list == "" {
		return nil, nil
	}
	var out []int
	for part := range strings.SplitSeq(list, ",") {
		firstText, lastText, isRange := strings.Cut(part, "-")
		if !isRange {
			lastText = firstText
		}
		first, err1 := strconv.Atoi(firstText)
		last, err2 := strconv.Atoi(lastText)
		if err1 != nil || err2 != nil || first < 0 || last < first || last > cpuIDMax {
			return nil, fmt.Errorf("%q is no list of CPUs", list)
		}
		for id := first; id <= last; id++ {
			out = append(out, id)
		}
	}
	return out, nil
}
