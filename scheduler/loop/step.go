package loop

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/coxswain-hpc/coxswain/api"
)

const (
	// settlePasses bounds how often one step settles: an end by the leader is folded in the next pass.
	settlePasses = 3
	// refusalsMax is how many steps with refused units may follow each other without a pause.
	refusalsMax = 3
)

// Step does what is due now and returns how long the loop may rest unless the bell rings. It starts
// no goroutine and draws on nothing but its clock, source and store: a simulation calls it.
func (l *Loop) Step(ctx context.Context) time.Duration {
	start := l.clock.Boot()
	wait, err := l.step(ctx, start)
	if err != nil && ctx.Err() != context.Canceled {
		l.failed(err)
		wait = tick
	}
	l.account(l.clock.Boot()-start, err)
	return wait
}

func (l *Loop) account(took time.Duration, err error) {
	l.mu.Lock()
	l.metrics.Steps++
	l.metrics.LastStep = took
	l.metrics.StepTime += took
	l.stepFailed = err != nil
	if err != nil {
		l.metrics.FailedSteps++
	}
	m := l.metrics
	l.mu.Unlock()
	l.Stepped.Send(m)
}

func (l *Loop) step(ctx context.Context, boot time.Duration) (time.Duration, error) {
	if !l.elector.leading {
		won, err := l.elector.contend(ctx, boot)
		if err != nil || !won {
			return l.elector.pollEvery(), err
		}
		l.log.InfoContext(ctx, "leading", slog.Int64("term", l.elector.term))
		l.leases.reset()
		l.setLeading(l.elector.term)
	}
	if err := l.elector.keep(ctx, boot); err != nil {
		return 0, err
	}
	return l.lead(ctx, l.clock.Now().Truncate(storeRounding))
}

// lead is one step of the leader: take in what changed, conclude, decide, and look after the nodes.
func (l *Loop) lead(ctx context.Context, now time.Time) (time.Duration, error) {
	if err := l.catchUp(ctx); err != nil {
		return 0, err
	}
	l.refused = false
	if err := l.decide(ctx, now); err != nil {
		return 0, err
	}
	if l.leases.due(l.clock.Boot()) {
		if err := l.watchNodes(ctx, now); err != nil {
			return 0, err
		}
		if err := l.decide(ctx, now); err != nil {
			return 0, err
		}
	}
	return l.rest(now), nil
}

// catchUp loads the world, or takes in what changed since the last step.
func (l *Loop) catchUp(ctx context.Context) error {
	if l.world == nil {
		loaded, err := l.store.Load(ctx)
		if err != nil {
			return fmt.Errorf("load the world: %w", err)
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		l.world = newWorld(loaded)
		l.metrics.Loads++
		return nil
	}
	changes, err := l.store.Changes(ctx, l.world.cursor)
	if err != nil {
		return fmt.Errorf("read changes: %w", err)
	}
	l.mu.Lock()
	l.world.apply(changes)
	l.mu.Unlock()
	return l.reload(ctx)
}

// decide settles what has happened and then places what waits.
func (l *Loop) decide(ctx context.Context, now time.Time) error {
	l.wakeTimed(now)
	for range settlePasses {
		if len(l.world.dirty) == 0 {
			break
		}
		if err := l.settle(ctx, now); err != nil {
			return err
		}
	}
	if !l.world.cycleDue {
		return nil
	}
	return l.cycle(ctx, now)
}

// wakeTimed marks the jobs whose begin time, back-off or delay has come.
func (l *Loop) wakeTimed(now time.Time) {
	for id, at := range l.world.timed {
		if !at.After(now) {
			delete(l.world.timed, id)
			l.world.dirty[id] = true
			l.world.cycleDue = true
		}
	}
}

// settle draws the conclusions for all dirty jobs and stores them.
func (l *Loop) settle(ctx context.Context, now time.Time) error {
	if err := l.followTasks(ctx); err != nil {
		return err
	}
	l.mu.Lock()
	var units []api.JobCommit
	for _, id := range slices.Sorted(maps.Keys(l.world.dirty)) {
		if j, open := l.world.jobs[id]; open {
			if unit, ok := l.world.settleJob(j, now); ok {
				units = append(units, unit)
			}
		}
	}
	clear(l.world.dirty)
	l.mu.Unlock()
	return l.commit(ctx, now, units)
}

// settleJob ends the pods of lost nodes first; what follows from that comes in the next pass.
func (w *world) settleJob(j *job, now time.Time) (api.JobCommit, bool) {
	w.lookAtNamesakes(j)
	w.setAlarm(j, now)
	if ends := w.lostEnds(j, now); len(ends) > 0 {
		return api.JobCommit{
			ID: j.rec.Job.ID, Generation: j.rec.Job.Generation, Status: j.rec.Job.Status,
			RequeueServed: j.rec.RequeueServed, Ends: ends,
		}, true
	}
	return settle(j.rec, facts{
		now: notBefore(now, j.rec.Job.Status.StartedAt), pods: w.podsOf(j), released: w.released[j.rec.Job.ID],
	})
}

// watchNodes takes a look at the leases and stores what follows for the nodes.
func (l *Loop) watchNodes(ctx context.Context, now time.Time) error {
	leases, err := l.store.Leases(ctx)
	if err != nil {
		return fmt.Errorf("read leases: %w", err)
	}
	nodes := make([]api.Node, 0, len(l.world.nodes))
	for _, name := range slices.Sorted(maps.Keys(l.world.nodes)) {
		nodes = append(nodes, l.world.nodes[name].rec)
	}
	changes := l.leases.observe(leases, nodes, l.clock.Boot(), now)
	if len(changes) == 0 {
		return nil
	}
	for _, c := range changes {
		l.log.InfoContext(ctx, "node changed state", slog.String("node", c.Name), slog.String("state", string(c.State)))
	}
	return l.commitBatch(ctx, now, api.Commit{Nodes: changes, Now: now})
}

// rest is how long the loop may sleep: not at all while work is left over, else until the next known
// moment, at most a tick.
func (l *Loop) rest(now time.Time) time.Duration {
	l.gauge()
	l.refusals++
	if !l.refused {
		l.refusals = 0
	}
	if (l.refused && l.refusals <= refusalsMax) || l.cursor != nil || len(l.world.dirty) > 0 {
		return 0
	}
	wait := tick
	if l.reasonsLeft {
		l.reasonsLeft = false
		l.world.cycleDue = true
		wait = reasonInterval
	}
	for _, at := range l.world.timed {
		wait = min(wait, max(0, at.Sub(now)))
	}
	return wait
}

// gauge counts what waits and lives, once a tick: it walks over all jobs.
func (l *Loop) gauge() {
	if l.clock.Boot()-l.gaugedAt < tick {
		return
	}
	l.gaugedAt = l.clock.Boot()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.metrics.Waiting, l.metrics.Live = 0, 0
	for _, j := range l.world.jobs {
		l.metrics.Waiting += j.rec.Job.Status.Counts.Waiting
		l.metrics.Live += j.rec.Job.Status.Counts.Live
	}
}
