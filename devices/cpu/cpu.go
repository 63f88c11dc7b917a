// Package cpu finds what a machine has that every machine has: hardware threads and how they sit
// in cores, sockets and NUMA nodes, main memory, local disks, kernel and name of the system.
//
// Words: a CPU is a hardware thread; a core is unique over the machine (the kernel numbers cores
// within a socket only). Capacity is what this process may use at all, allocatable what is left
// after the reservation for the system and the cap that an admin set. Nothing here may offer more
// than the machine has: a cap only lowers.
//
// It reads sysfs, procfs and file systems, and changes nothing.
package cpu

import (
	"context"
	"fmt"
	"os"

	"github.com/shirou/gopsutil/v3/cpu"
	"github.com/shirou/gopsutil/v3/host"
	"github.com/shirou/gopsutil/v3/mem"

	"github.com/coxswain-hpc/coxswain/api"
)

// Options says where to look and what to hold back. The zero value offers the whole machine.
type Options struct {
	// SysRoot is where sysfs is mounted. Default /sys.
	SysRoot string
	// Usable lists the CPUs that may be given out. Nil means those that this process may run on,
	// which takes the cpuset of its control group into account.
	Usable []int
	// Reserved is kept for the system: the kubelet, daemons, a server on the same machine. Whole
	// CPUs come off the lowest cores, where kernels like to put interrupts.
	Reserved api.Resources
	// Cap lowers what is offered; a zero field is no cap.
	Cap api.Resources
}

// Detect reads the machine's inventory. CgroupMode is left to who knows the control groups.
func Detect(ctx context.Context, opts Options) (api.Inventory, error) {
	if opts.SysRoot == "" {
		opts.SysRoot = "/sys"
	}
	usable := opts.Usable
	if usable == nil {
		var err error
		if usable, err = Affinity(); err != nil {
			return api.Inventory{}, fmt.Errorf("read own CPU affinity: %w", err)
		}
	}
	topology, err := readTopology(opts.SysRoot, usable)
	if err != nil {
		return api.Inventory{}, err
	}
	memory, err := mem.VirtualMemoryWithContext(ctx)
	if err != nil {
		return api.Inventory{}, fmt.Errorf("read memory size: %w", err)
	}
	inv := api.Inventory{Topology: topology, NUMANodes: readNUMA(opts.SysRoot, int64(memory.Total))}
	if err := describe(ctx, &inv); err != nil {
		return api.Inventory{}, err
	}
	inv.Capacity = api.Resources{
		CPUMillis:   int64(len(topology)) * api.MillisPerCPU,
		MemoryBytes: int64(memory.Total),
	}
	inv.Disks = disks(ctx)
	return Limit(inv, opts.Reserved, opts.Cap)
}

// describe fills in the words about the machine.
func describe(ctx context.Context, inv *api.Inventory) error {
	info, err := host.InfoWithContext(ctx)
	if err != nil {
		return fmt.Errorf("read host information: %w", err)
	}
	inv.Architecture, inv.Kernel = info.KernelArch, info.KernelVersion
	inv.OS = info.Platform + " " + info.PlatformVersion
	inv.Hostname = info.Hostname
	if inv.Hostname == "" {
		inv.Hostname, _ = os.Hostname() // only shown to people
	}
	models, err := cpu.InfoWithContext(ctx)
	if err == nil && len(models) > 0 {
		inv.CPUModel = models[0].ModelName
	}
	return nil
}
