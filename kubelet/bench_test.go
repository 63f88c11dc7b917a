package kubelet_test

import (
	"testing"

	"github.com/coxswain-hpc/coxswain/api"
)

// BenchmarkTasks runs no-op batch scripts, 64 at a time, from the assignment to the acknowledged
// end and the release: everything that a node does for a task.
func BenchmarkTasks(b *testing.B) {
	const atOnce = 64
	n := newBundle(b)
	n.start()
	tiny := func(a *api.PodAssignment, _ *api.KubeletTemplate) {
		a.Resources = api.Resources{CPUMillis: 10, MemoryBytes: 16 << 20}
	}
	slots := make(chan struct{}, atOnce)
	b.ResetTimer()
	for range b.N {
		slots <- struct{}{}
		key := n.script("true\n", tiny)
		go func() {
			end := n.waitEnd(key)
			if end.State != api.PodCompleted {
				b.Errorf("pod %s: %+v", key, end)
			}
			n.release(key)
			<-slots
		}()
	}
	for range atOnce {
		slots <- struct{}{}
	}
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "tasks/s")
}
