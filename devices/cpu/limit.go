package cpu

import (
	"github.com/coxswain-hpc/coxswain/api"
)

// Limit sets what an inventory offers: its capacity less the reservation, and not above the cap.
// The topology keeps only the CPUs that are then needed, in whole cores as far as that goes.
func Limit(inv api.Inventory, reserved, offer api.Resources) (api.Inventory, error) {
	rest := inv.Capacity.Sub(reserved)
	if reserved.CPUMillis < 0 || reserved.MemoryBytes < 0 || rest.CPUMillis <= 0 || rest.MemoryBytes <= 0 {
		return inv, api.Errorf(api.CodeInvalid,
			"the reservation of %d CPU millis and %d bytes leaves nothing of the node's %d CPU millis and %d bytes; "+
				"reserve less",
			reserved.CPUMillis, reserved.MemoryBytes, inv.Capacity.CPUMillis, inv.Capacity.MemoryBytes)
	}
	if offer.CPUMillis < 0 || offer.MemoryBytes < 0 {
		return inv, api.Errorf(api.CodeInvalid, "a capacity can't be negative; leave it out to offer everything")
	}
	// A fraction of a CPU that is reserved takes no whole CPU away.
	inv.Topology = dropFront(inv.Topology, int(reserved.CPUMillis/api.MillisPerCPU))
	if offer.CPUMillis > 0 && offer.CPUMillis < rest.CPUMillis {
		rest.CPUMillis = offer.CPUMillis
	}
	if offer.MemoryBytes > 0 && offer.MemoryBytes < rest.MemoryBytes {
		rest.MemoryBytes = offer.MemoryBytes
	}
	inv.Topology = keepFront(inv.Topology, int((rest.CPUMillis+api.MillisPerCPU-1)/api.MillisPerCPU))
	inv.Allocatable = rest
	return inv, nil
}

// dropFront takes n threads off, core by core from the lowest.
func dropFront(cpus []api.CPU, n int) []api.CPU {
	gone := pick(cpus, n)
	var out []api.CPU
	for _, c := range cpus {
		if !gone[c.ID] {
			out = append(out, c)
		}
	}
	return out
}

// keepFront keeps n threads, core by core from the lowest.
func keepFront(cpus []api.CPU, n int) []api.CPU {
	kept := pick(cpus, n)
	var out []api.CPU
	for _, c := range cpus {
		if kept[c.ID] {
			out = append(out, c)
		}
	}
	return out
}

// pick chooses n threads: all threads of a core before the first of the next.
func pick(cpus []api.CPU, n int) map[int]bool {
	chosen := map[int]bool{}
	for _, first := range cpus {
		for _, c := range cpus {
			if c.Core == first.Core && len(chosen) < n {
				chosen[c.ID] = true
			}
		}
	}
	return chosen
}
