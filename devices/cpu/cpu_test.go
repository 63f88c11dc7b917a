package cpu_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/devices/cpu"
)

const gib = int64(1) << 30

// twoSockets writes a sysfs of 2 sockets with 2 cores of 2 threads each, numbered as Linux does:
// the second threads after all first ones.
func twoSockets(t *testing.T) string {
	t.Helper()
	sys := t.TempDir()
	write := func(path, text string) {
		full := filepath.Join(sys, "devices/system", path)
		require.NoError(t, os.MkdirAll(filepath.Dir(full), 0o755))
		require.NoError(t, os.WriteFile(full, []byte(text+"\n"), 0o644))
	}
	write("cpu/online", "0-7")
	for id := range 8 {
		write(fmt.Sprintf("cpu/cpu%d/topology/physical_package_id", id), strconv.Itoa(id/2%2))
		write(fmt.Sprintf("cpu/cpu%d/topology/core_id", id), strconv.Itoa(id%2))
	}
	for node, list := range []string{"0-1,4-5", "2-3,6-7"} {
		write(fmt.Sprintf("node/node%d/cpulist", node), list)
		write(fmt.Sprintf("node/node%d/meminfo", node), fmt.Sprintf("Node %d MemTotal:  %d kB", node, (node+1)<<20))
	}
	return sys
}

func TestCoresAreUniqueOverTheMachine(t *testing.T) {
	t.Parallel()
	inv, err := cpu.Detect(t.Context(), cpu.Options{SysRoot: twoSockets(t), Usable: []int{0, 1, 2, 3, 4, 5, 6, 7}})
	require.NoError(t, err)
	require.Equal(t, []api.CPU{
		{ID: 0, Core: 0, Socket: 0, NUMA: 0},
		{ID: 1, Core: 1, Socket: 0, NUMA: 0},
		{ID: 2, Core: 2, Socket: 1, NUMA: 1},
		{ID: 3, Core: 3, Socket: 1, NUMA: 1},
		{ID: 4, Core: 0, Socket: 0, NUMA: 0},
		{ID: 5, Core: 1, Socket: 0, NUMA: 0},
		{ID: 6, Core: 2, Socket: 1, NUMA: 1},
		{ID: 7, Core: 3, Socket: 1, NUMA: 1},
	}, inv.Topology)
	require.Equal(t, []api.NUMANode{{ID: 0, MemoryBytes: gib}, {ID: 1, MemoryBytes: 2 * gib}}, inv.NUMANodes)
	require.EqualValues(t, 8000, inv.Capacity.CPUMillis)
	require.Equal(t, inv.Capacity, inv.Allocatable)
}

func TestOnlyUsableCPUsCount(t *testing.T) {
	t.Parallel()
	inv, err := cpu.Detect(t.Context(), cpu.Options{SysRoot: twoSockets(t), Usable: []int{2, 6, 99}})
	require.NoError(t, err)
	require.EqualValues(t, 2000, inv.Capacity.CPUMillis)
	require.Equal(t, 2, inv.Topology[0].Core, "cores keep their number whatever is usable")

	_, err = cpu.Detect(t.Context(), cpu.Options{SysRoot: twoSockets(t), Usable: []int{99}})
	require.ErrorContains(t, err, "nothing can run here")
}

func TestLimit(t *testing.T) {
	t.Parallel()
	cpus := []api.CPU{{ID: 0, Core: 0}, {ID: 1, Core: 1}, {ID: 2, Core: 0}, {ID: 3, Core: 1}}
	all := api.Resources{CPUMillis: 4000, MemoryBytes: 8 * gib}
	for _, c := range []struct {
		name            string
		reserved, offer api.Resources
		want            api.Resources
		ids             []int
		err             string
	}{
		{name: "everything", want: all, ids: []int{0, 1, 2, 3}},
		{
			name: "a cap takes whole cores", offer: api.Resources{CPUMillis: 2000},
			want: api.Resources{CPUMillis: 2000, MemoryBytes: 8 * gib}, ids: []int{0, 2},
		},
		{
			name:  "a cap above the machine adds nothing",
			offer: api.Resources{CPUMillis: 64_000, MemoryBytes: 64 * gib}, want: all, ids: []int{0, 1, 2, 3},
		},
		{
			name: "the reservation takes the lowest core", reserved: api.Resources{CPUMillis: 2000, MemoryBytes: gib},
			want: api.Resources{CPUMillis: 2000, MemoryBytes: 7 * gib}, ids: []int{1, 3},
		},
		{
			name: "half a CPU reserved", reserved: api.Resources{CPUMillis: 500},
			want: api.Resources{CPUMillis: 3500, MemoryBytes: 8 * gib}, ids: []int{0, 1, 2, 3},
		},
		{name: "nothing left", reserved: api.Resources{CPUMillis: 4000}, err: "reserve less"},
		{name: "negative cap", offer: api.Resources{MemoryBytes: -1}, err: "negative"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := cpu.Limit(api.Inventory{Topology: cpus, Capacity: all}, c.reserved, c.offer)
			if c.err != "" {
				require.ErrorContains(t, err, c.err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.want, got.Allocatable)
			var ids []int
			for _, cpu := range got.Topology {
				ids = append(ids, cpu.ID)
			}
			require.Equal(t, c.ids, ids)
		})
	}
}

func TestParseList(t *testing.T) {
	t.Parallel()
	got, err := cpu.ParseList("8,0-2,1")
	require.NoError(t, err)
	require.Equal(t, []int{0, 1, 2, 8}, got)
	for _, bad := range []string{"a", "3-1", "-1", "0-", "0-9999999", ","} {
		_, err := cpu.ParseList(bad)
		require.Error(t, err, bad)
	}
}

func TestThisMachine(t *testing.T) {
	t.Parallel()
	inv, err := cpu.Detect(t.Context(), cpu.Options{})
	require.NoError(t, err)
	require.NotEmpty(t, inv.Topology)
	require.Positive(t, inv.Capacity.MemoryBytes)
	require.NotEmpty(t, inv.Kernel)
	require.NotEmpty(t, inv.Architecture)
	require.NotEmpty(t, inv.CPUModel)
	usable, err := cpu.Affinity()
	require.NoError(t, err)
	require.Len(t, inv.Topology, len(usable))
}
