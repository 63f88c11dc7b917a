package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// ErrStarted is returned by Start of a service that runs.
var ErrStarted = errors.New("service is already started")

// Start begins the loop with a first run at once. A stopped loop may be started again, as the
// leader's are in each of its terms.
func (l *Loop) Start(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.running() {
		return fmt.Errorf("start %s: %w", l.config.Name, ErrStarted)
	}
	ctx, l.cancel = context.WithCancel(ctx)
	l.done = make(chan struct{})
	l.status.Running = true
	go l.loop(ctx, l.done)
	return nil
}

// Stop cancels a run under way and waits for its end.
func (l *Loop) Stop() {
	l.mu.Lock()
	cancel, done := l.cancel, l.done
	l.mu.Unlock()
	if cancel == nil {
		return
	}
	cancel()
	<-done
}

// Wake asks for a run soon. It never blocks; several wakes before that run are one.
func (l *Loop) Wake() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// Status is the state of the loop at this moment.
func (l *Loop) Status() Status {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.status
}

func (l *Loop) running() bool {
	if l.done == nil {
		return false
	}
	select {
	case <-l.done:
		return false
	default:
		return true
	}
}

func (l *Loop) loop(ctx context.Context, done chan struct{}) {
	defer close(done)
	defer l.stopped()
	for ctx.Err() == nil {
		if !l.pause(ctx, l.run(ctx)) {
			return
		}
	}
}

// pause waits for the timer, a wake or the end; it reports false for the end.
func (l *Loop) pause(ctx context.Context, d time.Duration) bool {
	timer := l.clock.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
	case <-l.wake:
	}
	return true
}

// run does one run and returns the longest pause after it.
func (l *Loop) run(ctx context.Context) time.Duration {
	now, boot := l.clock.Now(), l.clock.Boot()
	err := l.callRunner(ctx, now)
	if err != nil && ctx.Err() != nil {
		err = nil // stopped in the middle: that is no failure, the next start carries on
	}
	status := l.record(now, l.clock.Boot()-boot, err)
	wait := l.config.Interval
	if err != nil {
		wait = min(wait, l.backoff.Next())
		l.log.WarnContext(ctx, "run failed", slog.Any("error", err),
			slog.Int("failures", status.FailuresInARow), slog.Duration("retry_in", wait))
	} else {
		l.backoff.Reset()
	}
	l.Ran.Send(status)
	return wait
}

func (l *Loop) callRunner(ctx context.Context, now time.Time) error {
	if l.config.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, l.config.Timeout)
		defer cancel()
	}
	return l.runner.RunOnce(ctx, now)
}
