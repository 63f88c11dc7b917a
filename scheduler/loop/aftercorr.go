package loop

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/coxswain-hpc/coxswain/api"
)

// followTasks reads, for jobs that follow the tasks of others (aftercorr), which of those tasks have
// completed. Where that can't be read the step fails: a guess could cancel a job.
func (l *Loop) followTasks(ctx context.Context) error {
	for _, id := range slices.Sorted(maps.Keys(l.world.corr)) {
		if err := l.follow(ctx, id); err != nil {
			return err
		}
		l.mu.Lock()
		delete(l.world.corr, id)
		l.mu.Unlock()
	}
	return nil
}

// followsTasks says whether a job has an aftercorr dependency, settled or not.
func followsTasks(rec api.JobRecord) bool {
	return slices.ContainsFunc(rec.Job.Spec.Dependencies, func(d api.Dependency) bool {
		return d.Kind == api.DependencyAfterCorr
	})
}

func (l *Loop) follow(ctx context.Context, id api.JobID) error {
	j, open := l.world.jobs[id]
	if !open {
		return nil
	}
	released := map[int]api.Ranges{}
	for position, d := range j.rec.Dependencies {
		if d.Kind != api.DependencyAfterCorr {
			continue
		}
		own, byTask, err := l.letGo(ctx, j.rec, d.On)
		if err != nil {
			return err
		}
		if byTask {
			released[position] = own
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.world.released[id] = released
	l.world.dirty[id] = true
	return nil
}

// letGo returns the ordinals of rec whose counterparts in the other job have completed. byTask is
// false when one of the two is no array: then the other's end counts for all.
func (l *Loop) letGo(
	ctx context.Context, rec api.JobRecord, on api.JobID,
) (own api.Ranges, byTask bool, err error) {
	expr, err := l.arrayOf(ctx, on)
	if err != nil {
		return nil, false, err
	}
	mine, mineIs := parsedArray(rec.Job.Spec.Array)
	theirs, theirsIs := parsedArray(expr)
	if !mineIs || !theirsIs {
		return nil, false, nil
	}
	completed, err := l.store.CompletedOrdinals(ctx, on)
	if err != nil {
		return nil, false, fmt.Errorf("read completed tasks of job %d: %w", on, err)
	}
	return translate(theirs, mine, completed), true, nil
}

// parsedArray says whether expr is an array's; the API let in none that can't be read.
func parsedArray(expr string) (api.Array, bool) {
	array, err := api.ParseArray(expr)
	return array, err == nil && array.IsArray()
}

// translate maps ordinals of one array to the ordinals of the same indices in another.
func translate(from, to api.Array, ordinals api.Ranges) api.Ranges {
	var list []api.Range
	ordinals.Each(func(o int64) bool {
		if own, has := to.Ordinal(from.Index(o)); has {
			list = append(list, api.Range{From: own, To: own + 1})
		}
		return true
	})
	return api.RangesOf(list...)
}

// arrayOf is the array expression of a job, open or ended.
func (l *Loop) arrayOf(ctx context.Context, id api.JobID) (string, error) {
	if j, open := l.world.jobs[id]; open {
		return j.rec.Job.Spec.Array, nil
	}
	if expr, known := l.world.arrays[id]; known {
		return expr, nil
	}
	records, _, err := l.store.Jobs(ctx, []api.JobID{id})
	if err != nil {
		return "", fmt.Errorf("read job %d: %w", id, err)
	}
	expr := ""
	for _, rec := range records {
		expr = rec.Job.Spec.Array
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.world.arrays[id] = expr
	return expr, nil
}
