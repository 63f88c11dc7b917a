package loop

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/coxswain-hpc/coxswain/api"
)

// CompareWithLoad reads the world anew and says how it differs from the one that the loop kept by
// following the feed; nil when they agree, or when the last step failed. It is for tests and
// simulations, after a step that left nothing to do.
func (l *Loop) CompareWithLoad(ctx context.Context) error {
	loaded, err := l.store.Load(ctx)
	if err != nil {
		return fmt.Errorf("load the world: %w", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.world == nil || l.stepFailed {
		return nil // it knows that it is behind
	}
	fresh := newWorld(loaded)
	if err := compareJobs(l.world.jobs, fresh.jobs); err != nil {
		return err
	}
	return compareNodes(l.world, fresh)
}

func compareJobs(kept, fresh map[api.JobID]*job) error {
	for _, id := range slices.Sorted(maps.Keys(kept)) {
		if _, has := fresh[id]; !has {
			return fmt.Errorf("job %d is kept, but is no open job", id)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(fresh)) {
		j, has := kept[id]
		switch {
		case !has:
			return fmt.Errorf("job %d is open, but is not kept", id)
		case !sameRecord(j.rec, fresh[id].rec):
			return fmt.Errorf("job %d differs: kept %+v, stored %+v", id, j.rec, fresh[id].rec)
		case !maps.Equal(j.pods, fresh[id].pods):
			return fmt.Errorf("job %d: kept pods %v, stored %v", id, j.pods, fresh[id].pods)
		}
	}
	return nil
}

func compareNodes(kept, fresh *world) error {
	if !slices.Equal(slices.Sorted(maps.Keys(kept.nodes)), slices.Sorted(maps.Keys(fresh.nodes))) {
		return fmt.Errorf("kept %d nodes, stored %d", len(kept.nodes), len(fresh.nodes))
	}
	for _, name := range slices.Sorted(maps.Keys(fresh.nodes)) {
		a, b := kept.nodes[name], fresh.nodes[name]
		switch {
		case !sameNode(a.rec, b.rec) || a.books.State != b.books.State:
			return fmt.Errorf("node %s: kept %s, stored %s", name, a.rec.Status.State, b.rec.Status.State)
		case a.books.Used() != b.books.Used():
			return fmt.Errorf("node %s: kept %+v in use, stored %+v", name, a.books.Used(), b.books.Used())
		case a.books.FreeCPUs() != b.books.FreeCPUs():
			return fmt.Errorf("node %s: kept free CPUs %s, stored %s", name, a.books.FreeCPUs(), b.books.FreeCPUs())
		}
	}
	return nil
}
