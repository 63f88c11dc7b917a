package cpu

import (
	"context"
	"slices"
	"strings"

	"github.com/shirou/gopsutil/v3/disk"

	"github.com/coxswain-hpc/coxswain/api"
)

// disksMax bounds the list: a machine with many mounts (containers, automounts) must not swell the
// node's record.
const disksMax = 32

// localFilesystems are those that live on a disk of this machine. Asking a network file system for
// its size may hang when its server is away, so others are never asked.
var localFilesystems = []string{"ext2", "ext3", "ext4", "xfs", "btrfs", "zfs", "f2fs", "bcachefs", "overlay"}

// disks lists the mounted local file systems, one per device. A machine that doesn't tell has none:
// disks are for people to see, nothing is placed by them.
func disks(ctx context.Context) []api.Disk {
	parts, err := disk.PartitionsWithContext(ctx, true)
	if err != nil {
		return nil
	}
	var out []api.Disk
	seen := map[string]bool{}
	for _, p := range parts {
		if !slices.Contains(localFilesystems, p.Fstype) || seen[p.Device] || len(out) == disksMax {
			continue
		}
		usage, err := disk.UsageWithContext(ctx, p.Mountpoint)
		if err != nil || usage.Total == 0 {
			continue
		}
		seen[p.Device] = true
		out = append(out, api.Disk{
			Path: p.Mountpoint, Filesystem: p.Fstype, Bytes: int64(usage.Total), FreeBytes: int64(usage.Free),
		})
	}
	slices.SortFunc(out, func(a, b api.Disk) int { return strings.Compare(a.Path, b.Path) })
	return out
}
