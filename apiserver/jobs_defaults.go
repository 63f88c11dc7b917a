package apiserver

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/coxswain-hpc/coxswain/api"
)

// fillDefaults sets what the request leaves open. What decides about the job's life or its resources
// is noted, so that submit can tell.
func (b *submission) fillDefaults() {
	spec := b.spec
	if spec.Name == "" {
		spec.Name = b.defaultName()
	}
	if spec.TimeLimitSeconds == 0 {
		spec.TimeLimitSeconds = orDefault(b.partition.Spec.DefaultTimeSeconds, api.DefaultTimeSeconds)
		b.note("no time limit was asked for: %s is the default", duration(spec.TimeLimitSeconds))
	}
	if spec.GraceSeconds == 0 {
		spec.GraceSeconds = api.DefaultGraceSeconds
	}
	if spec.BeginAt != nil {
		begin := spec.BeginAt.UTC()
		spec.BeginAt = &begin
	}
	for i := range spec.Roles {
		role := &spec.Roles[i]
		if role.Count == 0 {
			role.Count = 1
		}
		if role.Name == "" {
			role.Name = "main"
		}
		for j := range role.Template.Containers {
			b.fillContainer(&role.Template.Containers[j])
		}
	}
}

func (b *submission) fillContainer(c *api.Container) {
	if c.Name == "" && c.Main {
		c.Name = "main"
	}
	if c.WorkingDir == "" && c.Main {
		c.WorkingDir = b.spec.SubmitDir
		if c.WorkingDir == "" {
			c.WorkingDir = b.spec.Owner.Home
		}
	}
	if !c.Main {
		return
	}
	if c.Requests.CPUMillis == 0 {
		c.Requests.CPUMillis = api.DefaultCPUs * api.MillisPerCPU
		b.note("no CPUs were asked for: %d is the default", api.DefaultCPUs)
	}
	if c.Requests.MemoryBytes == 0 && !c.WholeNodeMemory {
		perCPU := orDefault(b.partition.Spec.DefaultMemoryPerCPUBytes, api.DefaultMemoryPerCPU)
		cpus := (c.Requests.CPUMillis + api.MillisPerCPU - 1) / api.MillisPerCPU
		if cpus > 0 && cpus <= cpuMillisMax/api.MillisPerCPU {
			c.Requests.MemoryBytes = cpus * perCPU
		}
		b.note("no memory was asked for: %s per CPU is the default", mebibytes(perCPU))
	}
	if c.Limits.CPUMillis == 0 {
		c.Limits.CPUMillis = c.Requests.CPUMillis
	}
	if c.Limits.MemoryBytes == 0 {
		c.Limits.MemoryBytes = c.Requests.MemoryBytes
	}
}

// defaultName is the command's name, or Slurm's for a script that came without a file name.
func (b *submission) defaultName() string {
	for _, role := range b.spec.Roles {
		if command := role.Template.Main().Command; len(command) > 0 {
			if base := filepath.Base(command[0]); nameOK(base) {
				return base
			}
		}
	}
	return "sbatch"
}

func (b *submission) note(format string, args ...any) {
	b.spec.Notes = append(b.spec.Notes, fmt.Sprintf(format, args...))
}

func orDefault(v, fallback int64) int64 {
	if v != 0 {
		return v
	}
	return fallback
}

// duration writes 1 h 30 min, for people.
func duration(seconds int64) string {
	var parts []string
	for _, unit := range []struct {
		name string
		size int64
	}{{"d", 86400}, {"h", 3600}, {"min", 60}, {"s", 1}} {
		if n := seconds / unit.size; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, unit.name))
			seconds %= unit.size
		}
	}
	return strings.Join(parts, " ")
}

// mebibytes writes a memory size in its largest whole unit.
func mebibytes(n int64) string {
	if n%(1<<30) == 0 {
		return fmt.Sprintf("%d GiB", n>>30)
	}
	return fmt.Sprintf("%d MiB", n>>20)
}
