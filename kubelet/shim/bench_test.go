package shim_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coxswain-hpc/coxswain/kubelet/cgroup"
)

// fullLimits is what every batch pod gets.
var fullLimits = cgroup.Limits{CPUMillis: 1000, CPUWeight: 100, MemoryBytes: 256 << 20, PidsMax: 4096}

// firstInstruction is a static program that writes the wall clock into the file at argv[1].
const firstInstruction = `package main
import ("os"; "strconv"; "time")
func main() { os.WriteFile(os.Args[1], []byte(strconv.FormatInt(time.Now().UnixNano(), 10)), 0o644) }`

// BenchmarkStart measures Starter.Start with full cgroups until it returns, which is just after the
// user's program was executed, and the whole life of a no-op pod with its groups.
func BenchmarkStart(b *testing.B) {
	n := newNode(b)
	spec := n.spec(b, "")
	spec.Argv = []string{"/bin/true"}
	var starts []time.Duration
	for b.Loop() {
		began := time.Now()
		p := n.start(b, spec, fullLimits)
		starts = append(starts, time.Since(began))
		p.wait(b)
		n.remove(b, p)
	}
	slices.Sort(starts)
	b.ReportMetric(float64(starts[len(starts)/2].Microseconds())/1000, "start_ms_p50")
	b.ReportMetric(float64(starts[len(starts)*99/100].Microseconds())/1000, "start_ms_p99")
}

// BenchmarkPods measures pods a second with several at a time, as an array of no-op tasks has it.
func BenchmarkPods(b *testing.B) {
	n := newNode(b)
	spec := n.spec(b, "")
	spec.Argv = []string{"/bin/true"}
	var wg sync.WaitGroup
	slots := make(chan struct{}, 16)
	began := time.Now()
	total := 0
	for b.Loop() {
		slots <- struct{}{}
		total++
		wg.Go(func() {
			defer func() { <-slots }()
			p, err := n.tryStart(spec, fullLimits)
			if err != nil {
				b.Error(err)
				return
			}
			if _, err := p.client.Wait(context.Background()); err != nil {
				b.Error(err)
			}
			if err := n.driver.Remove(context.Background(), p.name); err != nil {
				b.Error(err)
			}
			_ = os.RemoveAll(p.dir)
		})
	}
	wg.Wait()
	b.ReportMetric(float64(total)/time.Since(began).Seconds(), "pods/s")
}

// BenchmarkFirstInstruction measures from the call of Start to the user's own first instructions.
func BenchmarkFirstInstruction(b *testing.B) {
	n := newNode(b)
	source := filepath.Join(n.dir, "first.go")
	require.NoError(b, os.WriteFile(source, []byte(firstInstruction), 0o644))
	program := filepath.Join(n.dir, "first")
	out, err := exec.Command("go", "build", "-o", program, source).CombinedOutput()
	require.NoError(b, err, string(out))
	spec := n.spec(b, "")
	mark := filepath.Join(spec.Dir, "mark")
	spec.Argv = []string{program, mark}
	var waits []time.Duration
	for b.Loop() {
		began := time.Now()
		p := n.start(b, spec, fullLimits)
		p.wait(b)
		data, err := os.ReadFile(mark)
		require.NoError(b, err)
		at, err := strconv.ParseInt(strings.TrimSpace(string(data)), 10, 64)
		require.NoError(b, err)
		waits = append(waits, time.Unix(0, at).Sub(began))
		n.remove(b, p)
	}
	slices.Sort(waits)
	b.ReportMetric(float64(waits[len(waits)/2].Microseconds())/1000, "first_ms_p50")
}
