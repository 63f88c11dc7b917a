package apiserver

import (
	"context"
	"fmt"

	"github.com/coxswain-hpc/coxswain/api"
)

func (s *Server) partitionOperations() {
	nounOperations(s, noun[api.Partition, api.PartitionSpec]{
		singular: "partition", plural: "partitions", keepDefault: true,
		get: s.store.GetPartition, list: s.store.ListPartitions, put: s.store.PutPartition,
		remove:       s.store.DeletePartition,
		nameOf:       func(p api.Partition) string { return p.Name },
		generationOf: func(p api.Partition) int64 { return p.Generation },
		check:        s.checkPartition,
	})
}

func (s *Server) checkPartition(ctx context.Context, name string, spec api.PartitionSpec, wrong *fieldErrors) error {
	checkRange("priority", spec.Priority, -priorityMax, priorityMax, wrong)
	checkRange("default_time_seconds", spec.DefaultTimeSeconds, 0, timeLimitSecondsMax, wrong)
	checkRange("max_time_seconds", spec.MaxTimeSeconds, 0, timeLimitSecondsMax, wrong)
	checkRange("default_memory_per_cpu_bytes", spec.DefaultMemoryPerCPUBytes, 0, memoryBytesMax, wrong)
	if spec.MaxTimeSeconds > 0 && spec.DefaultTimeSeconds > spec.MaxTimeSeconds {
		wrong.add("default_time_seconds", "is above max_time_seconds")
	}
	if len(spec.NodeNames) > nodeNamesMax {
		wrong.add("node_names", fmt.Sprintf("are more than %d", nodeNamesMax))
	}
	for i, n := range spec.NodeNames {
		if !nodeNameOK(n) {
			wrong.add(fmt.Sprintf("node_names[%d]", i), "is no node name")
			break
		}
	}
	if !spec.Default {
		return nil
	}
	all, err := s.store.ListPartitions(ctx, "", partitionsMax)
	for _, other := range all {
		if other.Spec.Default && other.Name != name {
			wrong.add("default", "is "+other.Name+" already; make that one ordinary first")
		}
	}
	return err
}
