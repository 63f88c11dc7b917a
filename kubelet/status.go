package kubelet

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/devices/cpu"
	"github.com/coxswain-hpc/coxswain/internal/clock"
	"github.com/coxswain-hpc/coxswain/kubelet/cgroup"
)

// The conditions of a node, beside those about limits that can't be enforced.
const (
	conditionNameService = "name_service_unavailable"
	conditionStateDisk   = "state_disk_full"
	conditionCleanup     = "cleanup_failed"
	conditionSingleUser  = "single_user"
	conditionSpool       = "spool_unreachable"
)

const (
	// inspectEvery is how often inventory and disk are looked at.
	inspectEvery = 30 * time.Second
	// statusLooks is after how many looks the status is said again, changed or not: an older one may have
	// come to the store behind it, by way of a server that stood still (sim, seed 44).
	statusLooks = 20
	// stateFreeMin is the space that the state directory needs: the records of a node full of pods.
	stateFreeMin = 64 << 20
)

// limitConditions names the condition for each limit that a node may lack.
var limitConditions = map[cgroup.Limit]string{
	cgroup.LimitCPUQuota:  "cpu_limit_not_enforced",
	cgroup.LimitCPUWeight: "cpu_share_not_enforced",
	cgroup.LimitCPUSet:    "own_cpus_not_enforced",
	cgroup.LimitMemory:    "memory_limit_not_enforced",
	cgroup.LimitPids:      "process_limit_not_enforced",
	cgroup.LimitKill:      "stray_processes_not_found",
	cgroup.LimitUsage:     "usage_not_measured_by_kernel",
}

// nodeStatus is the status as it is now.
func (a *agent) nodeStatus() api.NodeStatus {
	s := a.status
	s.BootID, s.KubeletVersion = a.bootID, a.opts.Version
	s.Conditions = nil
	for _, c := range a.conditions {
		s.Conditions = append(s.Conditions, c)
	}
	slices.SortFunc(s.Conditions, func(x, y api.Condition) int { return strings.Compare(x.Type, y.Type) })
	return s
}

// condition sets a condition; a new sentence keeps the time since when.
func (a *agent) condition(kind, message string) {
	old, held := a.conditions[kind]
	if held && old.Message == message {
		return
	}
	since := old.Since
	if !held {
		since = a.clock.Now()
		a.log.Warn("node condition", slog.String("type", kind), slog.String("message", message))
	}
	a.conditions[kind] = api.Condition{Type: kind, Message: message, Since: since}
	a.dirty = true
}

func (a *agent) clearCondition(kind string) {
	if _, held := a.conditions[kind]; held {
		delete(a.conditions, kind)
		a.dirty = true
		a.log.Info("node condition cleared", slog.String("type", kind))
	}
}

// limitsMissing states what the node can't enforce.
func (a *agent) limitsMissing(info cgroup.Info) {
	for _, c := range info.Conditions {
		kind, ok := limitConditions[c.Limit]
		if !ok {
			kind = string(c.Limit) + "_not_enforced"
		}
		a.condition(kind, c.Reason)
	}
	if uid := os.Geteuid(); uid != 0 {
		a.condition(conditionSingleUser, fmt.Sprintf(
			"the kubelet runs as uid %d without root's rights: only that user's pods can run here", uid))
	}
}

// inspect looks at the machine from time to time.
func (a *agent) inspect(ctx context.Context) {
	for looks := 1; clock.Sleep(ctx, a.clock, inspectEvery) == nil; looks++ {
		inventory, err := a.detect(ctx)
		if err != nil {
			a.log.ErrorContext(ctx, "the inventory can't be read", slog.Any("error", err))
			continue
		}
		a.post(func() {
			a.inventory(inventory)
			a.dirty = a.dirty || looks%statusLooks == 0
			a.checkDisk()
			a.checkNames()
		})
	}
}

func (a *agent) detect(ctx context.Context) (api.Inventory, error) {
	inventory, err := cpu.Detect(ctx, cpu.Options{Reserved: a.opts.Reserved, Cap: a.opts.Capacity})
	inventory.CgroupMode = a.status.Inventory.CgroupMode
	return inventory, err
}

// inventory takes a new inventory. Free space alone is no change: it moves all the time, and would
// raise the node's generation with it.
func (a *agent) inventory(fresh api.Inventory) {
	fresh.CgroupMode = a.status.Inventory.CgroupMode
	old := a.status.Inventory
	a.status.Inventory = fresh
	if !reflect.DeepEqual(withoutFree(old), withoutFree(fresh)) {
		a.dirty = true
	}
}

func withoutFree(inventory api.Inventory) api.Inventory {
	inventory.Disks = slices.Clone(inventory.Disks)
	for i := range inventory.Disks {
		inventory.Disks[i].FreeBytes = 0
	}
	return inventory
}

// checkDisk says so before the state directory is full: a start that can't be recorded fails.
func (a *agent) checkDisk() {
	var fs unix.Statfs_t
	if err := unix.Statfs(a.opts.StateDir, &fs); err != nil {
		return
	}
	free := int64(fs.Bavail) * fs.Bsize
	if free < stateFreeMin {
		a.condition(conditionStateDisk, fmt.Sprintf(
			"%s has %d MiB left and needs %d: pods can't be started; make room",
			a.opts.StateDir, free/mib, stateFreeMin/mib))
		return
	}
	a.clearCondition(conditionStateDisk)
}

// noteDisk turns an error of a start into the condition at once.
func (a *agent) noteDisk(err error) {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		a.condition(conditionStateDisk, "a pod could not be started: "+err.Error())
	}
}

// checkNames clears the condition when no start waits for the name service any more.
func (a *agent) checkNames() {
	for _, p := range a.pods {
		if p.missing == 0 && !p.NotBefore.IsZero() {
			return
		}
	}
	a.clearCondition(conditionNameService)
}

// reachable reports the first directory above the spool that users can't pass through. Their scripts
// could not be read then.
func reachable(path string) error {
	for dir := path; ; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err != nil {
			return err
		}
		const passAll = 0o001
		if info.Mode().Perm()&passAll == 0 {
			return fmt.Errorf("users can't pass through %s (mode %o), so their scripts can't be run; "+
				"use another state directory or chmod o+x it", dir, info.Mode().Perm())
		}
		if dir == filepath.Dir(dir) {
			return nil
		}
	}
}
