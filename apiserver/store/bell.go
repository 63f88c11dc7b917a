package store

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/coxswain-hpc/coxswain/internal/clock"
)

// The bell's pace. A burst of commits becomes one notification per gap; the first of a burst goes
// out at once. After trouble with the connection the bell tries again every retry.
const (
	bellGap   = 5 * time.Millisecond
	bellRetry = time.Second
	bellName  = "cox_bell"
)

// bell tells everybody that the feed has something new: subscribers in this process directly,
// other servers by NOTIFY. It may ring too often, and a ring may be lost: the poll backs it up.
type bell struct {
	options Options
	log     *slog.Logger
	self    string        // marks our own notifications
	outside chan struct{} // a notification is due
	cancel  context.CancelFunc
	done    sync.WaitGroup

	mu          sync.Mutex
	subscribers map[chan struct{}]bool
}

// startBell begins; stop ends it, not ctx.
func startBell(ctx context.Context, o Options, log *slog.Logger) *bell {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	b := &bell{
		options: o, log: log, self: newID(), outside: make(chan struct{}, 1), cancel: cancel,
		subscribers: map[chan struct{}]bool{},
	}
	b.done.Go(func() { b.keep(ctx, b.listen) })
	b.done.Go(func() { b.keep(ctx, b.notify) })
	b.done.Go(func() { b.poll(ctx) })
	return b
}

func (b *bell) stop() {
	b.cancel()
	b.done.Wait()
}

// Ring says that something was committed. It never blocks.
func (s *Store) Ring() {
	s.bell.tell()
	select {
	case s.bell.outside <- struct{}{}:
	default: // one is due already
	}
}

// Bell subscribes: the channel gets a tick after every ring, several rings may be one tick. Call
// cancel when done; the channel is never closed.
func (s *Store) Bell() (ticks <-chan struct{}, cancel func()) {
	b, c := s.bell, make(chan struct{}, 1)
	b.mu.Lock()
	b.subscribers[c] = true
	b.mu.Unlock()
	return c, func() {
		b.mu.Lock()
		delete(b.subscribers, c)
		b.mu.Unlock()
	}
}

func (b *bell) tell() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for c := range b.subscribers {
		select {
		case c <- struct{}{}:
		default: // it has a tick that it has not taken yet
		}
	}
}

func (b *bell) poll(ctx context.Context) {
	for clock.Sleep(ctx, b.options.Clock, b.options.Poll) == nil {
		b.tell()
	}
}

// keep runs work on a connection of its own, and again after trouble.
func (b *bell) keep(ctx context.Context, work func(context.Context, *pgx.Conn) error) {
	for ctx.Err() == nil {
		if err := b.onConn(ctx, work); err != nil && ctx.Err() == nil {
			b.log.DebugContext(ctx, "bell lost its connection", slog.Any("error", err))
			clock.Sleep(ctx, b.options.Clock, bellRetry) //nolint:errcheck // the loop looks at ctx
		}
	}
}

func (b *bell) onConn(ctx context.Context, work func(context.Context, *pgx.Conn) error) error {
	c, err := connect(ctx, b.options.DSN, applicationName)
	if err != nil {
		return err
	}
	defer c.Close(context.WithoutCancel(ctx)) //nolint:errcheck // it is given up in any case
	return work(ctx, c)
}

func (b *bell) listen(ctx context.Context, c *pgx.Conn) error {
	if _, err := c.Exec(ctx, "LISTEN "+bellName); err != nil {
		return fmt.Errorf("listen to the bell: %w", err)
	}
	b.tell() // what was rung before we listened
	for {
		n, err := c.WaitForNotification(ctx)
		if err != nil {
			return fmt.Errorf("wait for the bell: %w", err)
		}
		if n.Payload != b.self {
			b.tell()
		}
	}
}

// notify commits asynchronously: a lost ring costs a poll, a synced one would cost every commit.
func (b *bell) notify(ctx context.Context, c *pgx.Conn) error {
	if _, err := c.Exec(ctx, "SET synchronous_commit = off"); err != nil {
		return fmt.Errorf("prepare the bell: %w", err)
	}
	for {
		select {
		case <-ctx.Done():
			return ctx.Err() //nolint:wrapcheck // the loop ends
		case <-b.outside:
		}
		if _, err := c.Exec(ctx, "SELECT pg_notify($1, $2)", bellName, b.self); err != nil {
			return fmt.Errorf("ring the bell: %w", err)
		}
		if err := clock.Sleep(ctx, b.options.Clock, bellGap); err != nil {
			return err
		}
	}
}
