package schedtest_test

import (
	"fmt"
	"testing"

	"github.com/coxswain-hpc/coxswain/scheduler"
	"github.com/coxswain-hpc/coxswain/scheduler/schedtest"
)

// BenchmarkCycle places 100,000 identical tasks on 10,000 nodes.
func BenchmarkCycle(b *testing.B) {
	w := schedtest.NewWorld()
	for i := range 10_000 {
		must(b, w.Add(fmt.Sprintf("node n%05d cpus=16 threads=2 sockets=2 memory=64G", i)))
	}
	must(b, w.Add("job 1 cpus=2 memory=4G array=0-99999"))
	run(b, w, 80_000)
}

// BenchmarkCycleFull asks a full cluster for 10,000 different jobs of one shape: nothing fits.
func BenchmarkCycleFull(b *testing.B) {
	w := schedtest.NewWorld()
	for i := range 1000 {
		must(b, w.Add(fmt.Sprintf("node n%05d cpus=16 memory=64G\nrunning %d node=n%05d cpus=16 ids=0-15",
			i, i+100_000, i)))
	}
	for i := range 10_000 {
		must(b, w.Add(fmt.Sprintf("job %d cpus=2 memory=4G", i+1)))
	}
	run(b, w, 0)
}

// BenchmarkCycleOne places one job on an idle cluster of 1,000 nodes: the latency of a submit.
func BenchmarkCycleOne(b *testing.B) {
	w := schedtest.NewWorld()
	for i := range 1000 {
		must(b, w.Add(fmt.Sprintf("node n%05d cpus=64 memory=256G", i)))
	}
	must(b, w.Add("job 1 cpus=2 memory=4G"))
	run(b, w, 1)
}

func run(b *testing.B, w *schedtest.World, want int) {
	b.Helper()
	view := w.View()
	b.ResetTimer()
	b.ReportAllocs()
	for range b.N {
		plan := scheduler.Cycle(view, scheduler.Input{Now: schedtest.Noon, BindsMax: 1 << 20})
		if len(plan.Binds) != want {
			b.Fatalf("%d binds, want %d", len(plan.Binds), want)
		}
	}
}

func must(b *testing.B, err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}
