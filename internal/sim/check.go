package sim

import (
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/internal/sim/memstore"
)

// checker looks at everything and changes nothing. It keeps books of its own, which share no code with
// those of the scheduler.
type checker struct {
	sim     *Sim
	jobs    map[api.JobID]api.JobRecord
	pods    map[api.PodKey]api.Pod
	live    map[api.Instance]api.PodKey
	liveOf  map[api.JobID]map[api.PodKey]bool
	nodes   map[string]api.Node
	used    map[string]api.Resources
	owners  map[string]map[int64]api.PodKey // of CPUs in the store's books, by node
	touched map[api.JobID]bool
	term    int64
	renewed map[string]time.Duration // when each node's lease was last renewed
	steps   int
}

var _ memstore.Observer = (*checker)(nil)

func newChecker(s *Sim) *checker {
	return &checker{
		sim: s, jobs: map[api.JobID]api.JobRecord{}, pods: map[api.PodKey]api.Pod{},
		live: map[api.Instance]api.PodKey{}, liveOf: map[api.JobID]map[api.PodKey]bool{},
		nodes: map[string]api.Node{}, renewed: map[string]time.Duration{},
		used: map[string]api.Resources{}, owners: map[string]map[int64]api.PodKey{}, touched: map[api.JobID]bool{},
	}
}

// leads checks that nobody writes in the name of an old term.
func (c *checker) leads(term int64) {
	if term == 0 {
		return
	}
	if term < c.term {
		c.sim.fail("a commit of term %d after one of term %d", term, c.term)
	}
	if term > c.term {
		c.sim.count("term")
	}
	c.term = max(c.term, term)
}

// afterEvent checks what must hold between any two events, of the jobs that were touched.
func (c *checker) afterEvent() {
	if len(c.touched) == 0 {
		return
	}
	for _, id := range slices.Sorted(maps.Keys(c.touched)) {
		c.countsHold(c.jobs[id])
	}
	clear(c.touched)
}

// compareEvery is how many steps lie between two comparisons of the kept world with a fresh load.
const compareEvery = 7

// afterStep looks at a server after a step of its loop: if that left nothing to do, and nothing happened
// meanwhile, the world that it keeps is what a fresh load gives.
func (c *checker) afterStep(v *server, wait time.Duration) {
	m := v.loop.Metrics()
	for ; v.refused < m.Refused; v.refused++ {
		c.sim.count("refused unit")
	}
	if m.BadPlans > 0 {
		c.sim.fail("server %s made a plan that breaks an invariant", v.name())
	}
	c.steps++
	if v.stoodStill || wait == 0 || c.steps%compareEvery != 0 {
		return
	}
	if err := v.loop.CompareWithLoad(c.sim.ctx); err != nil && !errors.Is(err, api.ErrUnavailable) {
		c.sim.fail("server %s: the kept world is not the stored one: %w", v.name(), err)
	}
}

// atRest looks at the end of the run: the books are empty, and every kept world is right.
func (c *checker) atRest() {
	for _, node := range sortedNames(c.used) {
		if c.used[node] != (api.Resources{}) || len(c.owners[node]) > 0 {
			c.sim.fail("node %s: %+v and CPUs %v are still booked", node, c.used[node], c.owners[node])
		}
	}
	leaders := 0
	for _, v := range c.sim.servers {
		if v.term() != 0 {
			leaders++
		}
		if err := v.loop.CompareWithLoad(c.sim.ctx); err != nil {
			c.sim.fail("server %s: the kept world is not the stored one at rest: %w", v.name(), err)
		}
	}
	if leaders != 1 {
		c.sim.fail("%d servers lead at rest", leaders)
	}
}

func comparePodKeys(a, b api.PodKey) int { return memstore.ComparePodKeys(a, b) }
