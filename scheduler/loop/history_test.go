package loop_test

import (
	"context"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coxswain-hpc/coxswain/api"
)

// history plays random users, nodes and mishaps against the loop. After every step the loop's books
// must equal a fresh load (see bundle.check), and at the end, with all mishaps over, every job must
// end.
type history struct {
	*bundle
	rng    *rand.Rand
	nextID api.JobID
}

func TestRandomHistories(t *testing.T) {
	t.Parallel()
	for seed := range uint64(60) {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			t.Parallel()
			h := &history{bundle: setup(t, "n1", "n2", "n3"), rng: rand.New(rand.NewPCG(seed, 7)), nextID: 1}
			for range 80 {
				h.act()
				h.step()
			}
			h.finish()
		})
	}
}

func (h *history) act() {
	acts := []func(){
		h.submitSome, h.submitSome, h.reportSome, h.reportSome, h.reportSome, h.reportSome, h.cancelSome, h.cancelTask,
		h.requeueSome, h.requeueTask, h.holdSome, h.lose, h.away, h.wait, h.restart, h.cordon,
	}
	acts[h.rng.IntN(len(acts))]()
}

func (h *history) submitSome() {
	id := h.nextID
	h.nextID++
	kinds := []api.DependencyKind{
		api.DependencyAfter, api.DependencyAfterAny, api.DependencyAfterOK, api.DependencyAfterNotOK,
		api.DependencyAfterCorr, api.DependencySingleton,
	}
	h.store.submit(id, func(r *api.JobRecord) {
		spec := &r.Job.Spec
		spec.Array = []string{"", "", "0-5", "3-9%2", "0-8:2"}[h.rng.IntN(5)]
		spec.Name = []string{"a", "b"}[h.rng.IntN(2)]
		spec.NoRequeue = h.rng.IntN(4) == 0
		spec.Exclusive = h.rng.IntN(8) == 0
		spec.KeepOnInvalidDependency = false
		spec.Roles[0].Count = []int32{1, 1, 1, 2}[h.rng.IntN(4)]
		spec.RequeueExitCodes = []int{75}
		if h.rng.IntN(5) == 0 {
			at := h.clock.Now().Add(time.Duration(h.rng.IntN(20)) * time.Second)
			spec.BeginAt = &at
		}
		for range h.rng.IntN(3) {
			if id == 1 {
				break
			}
			d := api.Dependency{Kind: kinds[h.rng.IntN(len(kinds))], OnIndex: api.NoIndex}
			if d.Kind != api.DependencySingleton {
				d.On = 1 + api.JobID(h.rng.IntN(int(id)-1))
			}
			if on := h.store.jobs[d.On].Job.Spec.Array; on == "0-5" && d.Kind != api.DependencyAfterCorr &&
				h.rng.IntN(2) == 0 {
				d.OnIndex = int64(h.rng.IntN(6))
			}
			spec.Dependencies = append(spec.Dependencies, d)
		}
		spec.DependencyAny = h.rng.IntN(4) == 0
	})
}

func (h *history) pick() (api.Pod, bool) {
	live := slices.DeleteFunc(h.store.livePods(), func(p api.Pod) bool { return p.State.Ended() })
	if len(live) == 0 {
		return api.Pod{}, false
	}
	return live[h.rng.IntN(len(live))], true
}

func (h *history) reportSome() {
	for range 1 + h.rng.IntN(4) {
		p, ok := h.pick()
		if !ok {
			return
		}
		h.reportOne(p)
	}
}

func (h *history) reportOne(p api.Pod) {
	ends := []api.PodState{
		api.PodCompleted, api.PodCompleted, api.PodCompleted, api.PodFailed, api.PodTimeout,
		api.PodOutOfMemory, api.PodShimLost,
	}
	at := h.clock.Now()
	switch {
	case p.Stop != nil:
		h.store.report(p.Key, api.PodEvent{State: p.Stop.State, At: at})
	case p.State == api.PodBound && h.rng.IntN(2) == 0:
		h.store.report(p.Key, api.PodEvent{State: api.PodRunning, At: at})
	case p.State == api.PodBound && h.rng.IntN(4) == 0:
		h.store.report(p.Key, api.PodEvent{State: api.PodRefused, At: at})
	default:
		code := []int{1, 2, 75}[h.rng.IntN(3)]
		h.store.report(p.Key, api.PodEvent{State: ends[h.rng.IntN(len(ends))], At: at, Exit: &api.PodExit{Code: code}})
	}
}

func (h *history) anyJob(do func(r *api.JobRecord)) {
	if h.nextID == 1 {
		return
	}
	id := 1 + api.JobID(h.rng.IntN(int(h.nextID)-1))
	if h.store.job(id).Job.Status.State.Ended() {
		return
	}
	h.store.change(id, func(r *api.JobRecord) { do(r); r.Job.Generation++ })
}

func (h *history) cancelSome() {
	h.anyJob(func(r *api.JobRecord) { r.CancelWanted = true })
}

func (h *history) requeueSome() {
	h.anyJob(func(r *api.JobRecord) { r.RequeueWanted++ })
}

func (h *history) holdSome() {
	h.anyJob(func(r *api.JobRecord) { r.Job.Spec.Hold = !r.Job.Spec.Hold })
}

func (h *history) cancelTask()  { h.anyTask(func(x *api.JobIndex) { x.CancelWanted = true }) }
func (h *history) requeueTask() { h.anyTask(func(x *api.JobIndex) { x.RequeueWanted = true }) }

func (h *history) anyTask(do func(x *api.JobIndex)) {
	h.anyJob(func(r *api.JobRecord) {
		array, _ := api.ParseArray(r.Job.Spec.Array)
		ordinal := h.rng.Int64N(array.Len())
		i := slices.IndexFunc(r.Indices, func(x api.JobIndex) bool { return x.Ordinal == ordinal })
		if i < 0 {
			r.Indices = append(r.Indices, api.JobIndex{
				Instance: api.Instance{Owner: r.Job.ID, Index: array.Index(ordinal)}, Ordinal: ordinal,
			})
			slices.SortFunc(r.Indices, func(a, b api.JobIndex) int { return int(a.Ordinal - b.Ordinal) })
			i = slices.IndexFunc(r.Indices, func(x api.JobIndex) bool { return x.Ordinal == ordinal })
		}
		do(&r.Indices[i])
	})
}

// lose makes a commit's answer get lost.
func (h *history) lose() { h.store.lost = true }

// away makes the store unavailable for some seconds.
func (h *history) away() {
	h.store.setFailing(api.ErrUnavailable)
	for range h.rng.IntN(15) {
		h.clock.Advance(time.Second)
		h.loop.Step(context.Background())
	}
	h.store.setFailing(nil)
	h.waitForLead()
}

func (h *history) wait() {
	for range h.rng.IntN(10) {
		h.tick()
	}
}

// tick lets a second pass; a silent node's lease stands still.
func (h *history) tick() {
	for _, name := range slices.Sorted(maps.Keys(h.store.nodes)) {
		if name != "n3" || h.rng.IntN(50) == 0 {
			h.store.renew(name)
		}
	}
	h.pass(time.Second)
}

func (h *history) restart() {
	h.loop = h.newLoop("server-1")
	h.waitForLead()
}

func (h *history) waitForLead() {
	for range 30 {
		if _, leads := h.loop.Leading(); leads {
			return
		}
		h.clock.Advance(time.Second)
		h.loop.Step(context.Background())
	}
	h.t.Fatal("nobody leads")
}

func (h *history) cordon() {
	h.store.mu.Lock()
	defer h.store.mu.Unlock()
	n := h.store.nodes["n2"]
	n.Spec.Unschedulable = !n.Spec.Unschedulable
	n.Generation++
	h.store.nodes["n2"] = n
	h.store.touch(api.Touched{Nodes: []string{"n2"}})
}

// finish ends all mishaps, releases what is held, and demands that every job ends.
func (h *history) finish() {
	h.store.lost = false
	if h.store.nodes["n2"].Spec.Unschedulable {
		h.cordon()
	}
	for id := api.JobID(1); id < h.nextID; id++ {
		if rec := h.store.job(id); rec.Job.Spec.Hold && !rec.Job.Status.State.Ended() {
			h.store.change(id, func(r *api.JobRecord) { r.Job.Spec.Hold = false; r.Job.Generation++ })
		}
	}
	h.step()
	for range 1000 {
		for _, p := range h.store.livePods() {
			switch {
			case p.State.Ended():
			case p.Stop != nil:
				h.store.report(p.Key, api.PodEvent{State: p.Stop.State, At: h.clock.Now()})
			default:
				h.store.report(p.Key, api.PodEvent{State: api.PodCompleted, At: h.clock.Now(), Exit: &api.PodExit{}})
			}
		}
		h.tick()
		if h.allEnded() {
			return
		}
	}
	for _, id := range slices.Sorted(maps.Keys(h.store.jobs)) {
		if rec := h.store.job(id); !rec.Job.Status.State.Ended() {
			h.t.Logf("job %d: %+v\ndependencies %+v\nindices %+v", id, rec.Job.Status,
				h.store.record(id).Dependencies, rec.Indices)
		}
	}
	require.Fail(h.t, "jobs that never end")
}

func (h *history) allEnded() bool {
	for _, rec := range h.store.jobs {
		if !rec.Job.Status.State.Ended() {
			return false
		}
	}
	return true
}
