package apiserver_test

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

// BenchmarkIdleStream tells the memory of one idle kubelet stream, both of its ends together: the
// server's alone must stay below 40 KiB.
func BenchmarkIdleStream(b *testing.B) {
	s := setup(b)
	k := s.join("n0")
	const streams = 200
	before := memory()
	for i := range streams {
		node := fmt.Sprintf("n%d", i)
		if i > 0 {
			k = s.join(node)
		}
		s.welcome(s.dial(k, node, "boot"))
	}
	after := memory()
	require.Greater(b, after, before)
	b.ReportMetric(float64(after-before)/streams/1024, "KiB/stream")
}

// memory is the heap and the stacks in use after a collection.
func memory() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse + m.StackInuse
}
