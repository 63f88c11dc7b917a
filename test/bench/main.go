// Command bench measures Coxswain as its users meet it: the real binary, a real Postgres with fsync,
// real processes in real cgroups, each part a process of its own. It prints lines
//
//	RESULT <name> <value> <unit>
//
// and nothing that it did not measure. The peers' scripts come by path (PEERS); without them the
// peer's rows say "not measured".
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/coxswain-hpc/coxswain/test/cluster"
)

// bench is one run: a cluster, where the results go, and how much to measure.
type bench struct {
	cluster *cluster.Cluster
	out     io.Writer
	short   bool
	peers   string
}

// section is a named measurement.
type section struct {
	name string
	run  func(context.Context, *bench) error
}

// sections in their order: the memory of an idle cluster comes first, before anything has run.
func sections() []section {
	return []section{
		{"rss", memory},
		{"start", submitToStart},
		{"run", runTrue},
		{"accept", acceptMillion},
		{"submit", submissions},
		{"processes", submitProcesses},
		{"tasks", tasksOnOneNode},
		{"slurm", slurm},
	}
}

func main() {
	cox := flag.String("cox", "bin/cox", "the binary to measure")
	only := flag.String("only", "", "comma-separated sections: rss,start,run,accept,submit,processes,tasks,slurm")
	short := flag.Bool("short", false, "a bounded short form, for a check that everything runs")
	peers := flag.String("peers", "", "folder with slurm-bench.sh")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *cox, *only, *peers, *short); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1) //nolint:gocritic // stop was called
	}
}

func run(ctx context.Context, cox, only, peers string, short bool) error {
	bin, err := filepath.Abs(cox)
	if err != nil {
		return fmt.Errorf("find %s: %w", cox, err)
	}
	dir, err := os.MkdirTemp("", "cox-bench-")
	if err != nil {
		return fmt.Errorf("data directory: %w", err)
	}
	defer os.RemoveAll(dir)                      //nolint:errcheck // what is left in the temporary folder harms nobody
	if err := os.Chmod(dir, 0o755); err != nil { // Postgres runs as another user
		return fmt.Errorf("open %s: %w", dir, err)
	}
	c, err := cluster.Start(ctx, cluster.Options{Cox: bin, Dir: dir, Args: []string{"--allow-root-jobs"}})
	if err != nil {
		return err
	}
	defer c.Stop()
	b := &bench{cluster: c, out: os.Stdout, short: short, peers: peers}
	for _, s := range sections() {
		if only != "" && !slices.Contains(strings.Split(only, ","), s.name) {
			continue
		}
		b.note("%s (load %s)", s.name, load())
		if err := s.run(ctx, b); err != nil {
			return fmt.Errorf("%s: %w\n%s", s.name, err, c.Log())
		}
	}
	return nil
}

func (b *bench) result(name string, value float64, unit string) {
	fmt.Fprintf(b.out, "RESULT %s %.4g %s\n", name, value, unit) //nolint:errcheck // nowhere left to say it
}

func (b *bench) note(format string, args ...any) {
	fmt.Fprintf(b.out, "# "+format+"\n", args...) //nolint:errcheck // nowhere left to say it
}

// pick returns the full number, or the short form's.
func (b *bench) pick(full, short int) int {
	if b.short {
		return short
	}
	return full
}

// quantile of unsorted durations, in milliseconds.
func quantile(d []time.Duration, q float64) float64 {
	s := slices.Clone(d)
	slices.Sort(s)
	return float64(s[int(float64(len(s)-1)*q)].Microseconds()) / 1000
}

func median(x []float64) float64 {
	s := slices.Clone(x)
	slices.Sort(s)
	return s[len(s)/2]
}

func load() string {
	text, _ := os.ReadFile("/proc/loadavg")
	return strings.Join(strings.Fields(string(text))[:3], " ")
}
