package api

// Resources is what one pod asks for or holds. Zero means none asked.
type Resources struct {
	// CPUMillis is thousandths of a CPU; a CPU is a hardware thread.
	CPUMillis int64 `json:"cpu_millis" doc:"Thousandths of a CPU (hardware thread)"`
	// MemoryBytes is main memory in bytes.
	MemoryBytes int64 `json:"memory_bytes" doc:"Main memory in bytes"`
}

// Add returns r + o, field by field.
func (r Resources) Add(o Resources) Resources {
	return Resources{CPUMillis: r.CPUMillis + o.CPUMillis, MemoryBytes: r.MemoryBytes + o.MemoryBytes}
}

// Sub returns r - o, field by field.
func (r Resources) Sub(o Resources) Resources {
	return Resources{CPUMillis: r.CPUMillis - o.CPUMillis, MemoryBytes: r.MemoryBytes - o.MemoryBytes}
}

// Fits says whether r fits into free, in every field.
func (r Resources) Fits(free Resources) bool {
	return r.CPUMillis <= free.CPUMillis && r.MemoryBytes <= free.MemoryBytes
}

// ResourceClass is derived from requests and limits and decides how the node enforces
// (Kubernetes calls it QoS class); it does not decide who goes first.
type ResourceClass string

// The resource classes.
const (
	// ClassGuaranteed: requests equal limits, whole CPUs: own cores, hard memory.
	ClassGuaranteed ResourceClass = "guaranteed"
	// ClassBurstable: a request, and a higher limit or none: weight by request, limit by limit.
	ClassBurstable ResourceClass = "burstable"
	// ClassBestEffort: no request: weight 1, first to go.
	ClassBestEffort ResourceClass = "besteffort"
)

// MillisPerCPU is one CPU in the unit of CPUMillis.
const MillisPerCPU int64 = 1000

// ClassOf derives the resource class of a container's requests and limits.
func ClassOf(requests, limits Resources) ResourceClass {
	switch {
	case requests == (Resources{}) && limits == (Resources{}):
		return ClassBestEffort
	case requests == limits && requests.CPUMillis > 0 && requests.MemoryBytes > 0 &&
		requests.CPUMillis%MillisPerCPU == 0:
		return ClassGuaranteed
	default:
		return ClassBurstable
	}
}
