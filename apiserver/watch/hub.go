// Package watch follows the store's feed once per server and hands what changed to everybody who
// watches: streams of kubelets and watchers of the API.
//
// Words. A page is what one read of the feed gave: the ids that were touched between two cursors.
// A subscription is a bounded queue of pages; one that overflows is lost, which its owner must treat
// as "read everything again". The bell says that there may be something to read; a poll backs it up.
//
// The package must not read the nouns themselves: who gets a page reads current rows, so bursts
// coalesce. Pages may repeat what was seen before; they never leave anything out.
package watch

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/internal/clock"
)

const (
	// pollInterval backs up the bell: a lost ring costs this long.
	pollInterval = time.Second
	// retryInterval is the pause after a failed read.
	retryInterval = 250 * time.Millisecond
	// readGap is the least time between two reads: under load one read then serves many commits, and
	// what follows a quiet moment still waits for nothing.
	readGap = 2 * time.Millisecond
	// queueMax bounds a subscription: at the feed's rate of some hundred pages a second it gives a
	// slow reader a second before it is lost.
	queueMax = 256
)

// Source is the store's feed.
type Source interface {
	// CurrentCursor is the position of now.
	CurrentCursor(ctx context.Context) (api.Cursor, error)
	// Next reads what was touched since a cursor, merged, and the cursor after it. It does not wait.
	// It fails with api.ErrGone when the cursor is too old or of another epoch.
	Next(ctx context.Context, since api.Cursor) (api.Touched, api.Cursor, error)
	// Bell ticks when there may be something new.
	Bell() (ticks <-chan struct{}, cancel func())
}

// Page is what one read of the feed gave.
type Page struct {
	From    api.Cursor
	To      api.Cursor
	Touched api.Touched

	mu   sync.Mutex
	memo map[api.Kind]any
}

// Memo computes something about the page once for all who ask for the kind; a failure isn't kept.
func (p *Page) Memo(kind api.Kind, compute func() (any, error)) (any, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if v, ok := p.memo[kind]; ok {
		return v, nil
	}
	v, err := compute()
	if err != nil {
		return nil, err
	}
	if p.memo == nil {
		p.memo = map[api.Kind]any{}
	}
	p.memo[kind] = v
	return v, nil
}

// Subscription receives pages on C. C is closed when pages were lost or the hub has ended.
type Subscription struct {
	C    <-chan *Page
	send chan *Page
	hub  *Hub
}

// Close ends the subscription; it may be called repeatedly.
func (s *Subscription) Close() { s.hub.drop(s) }

// Hub follows the feed. Make it with New, run it with Run.
type Hub struct {
	source Source
	clock  clock.Clock
	log    *slog.Logger

	mu    sync.Mutex
	subs  map[*Subscription]struct{}
	done  bool
	ready chan struct{} // closed once the first cursor is known
	// seen is the boot time up to which the feed is known to be read.
	seen time.Duration
}

// New returns a hub that does not run yet.
func New(source Source, clk clock.Clock, log *slog.Logger) *Hub {
	return &Hub{
		source: source, clock: clk, log: log,
		subs: map[*Subscription]struct{}{}, ready: make(chan struct{}),
	}
}

// Subscribe returns a subscription that misses nothing which commits after Subscribe returns: it waits
// for the hub's first read.
func (h *Hub) Subscribe(ctx context.Context) (*Subscription, error) {
	h.mu.Lock()
	ready := h.ready
	h.mu.Unlock()
	select {
	case <-ready:
	case <-ctx.Done():
		return nil, api.Errorf(api.CodeUnavailable, "the database is not there yet: %w", context.Cause(ctx))
	}
	ch := make(chan *Page, queueMax)
	s := &Subscription{C: ch, send: ch, hub: h}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.done {
		return nil, api.Errorf(api.CodeUnavailable, "the server is shutting down")
	}
	h.subs[s] = struct{}{}
	return s, nil
}

// Lag is how long ago the feed was known to be read to its end.
func (h *Hub) Lag() time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.clock.Boot() - h.seen
}

func (h *Hub) drop(s *Subscription) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, ok := h.subs[s]; ok {
		delete(h.subs, s)
		close(s.send)
	}
}

// Run follows the feed until ctx ends.
func (h *Hub) Run(ctx context.Context) {
	defer h.end()
	ticks, cancel := h.source.Bell()
	defer cancel()
	var cursor api.Cursor
	for ctx.Err() == nil {
		next, err := h.read(ctx, cursor)
		wait := pollInterval
		if err != nil {
			if ctx.Err() == nil {
				h.log.WarnContext(ctx, "read the feed", slog.Any("error", err))
			}
			wait = retryInterval
		}
		if api.CodeOf(err) == api.CodeGone {
			h.startOver()
			cursor = api.Cursor{}
			continue
		}
		cursor = next
		h.pause(ctx, ticks, wait)
	}
}

func (h *Hub) pause(ctx context.Context, ticks <-chan struct{}, wait time.Duration) {
	timer := h.clock.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-ticks:
		h.gap(ctx)
	case <-timer.C:
	}
}

// gap waits until readGap after the last read began.
func (h *Hub) gap(ctx context.Context) {
	if wait := readGap - h.Lag(); wait > 0 {
		clock.Sleep(ctx, h.clock, wait) //nolint:errcheck // the end of ctx ends the loop
	}
}

// read takes all that there is since the cursor; it returns how far it came, also with an error.
func (h *Hub) read(ctx context.Context, cursor api.Cursor) (api.Cursor, error) {
	if cursor == (api.Cursor{}) {
		first, err := h.source.CurrentCursor(ctx)
		if err != nil {
			return cursor, err
		}
		h.first()
		cursor = first
	}
	at := h.clock.Boot()
	touched, next, err := h.source.Next(ctx, cursor)
	if err != nil {
		return cursor, err
	}
	h.mu.Lock()
	h.seen = at
	h.mu.Unlock()
	if !Empty(touched) {
		h.publish(&Page{From: cursor, To: next, Touched: touched})
	}
	return next, nil
}

// startOver loses everybody and lets nobody subscribe before the next first read.
func (h *Hub) startOver() {
	h.mu.Lock()
	h.ready = make(chan struct{})
	h.mu.Unlock()
	h.loseAll()
}

func (h *Hub) first() {
	h.mu.Lock()
	defer h.mu.Unlock()
	select {
	case <-h.ready:
	default:
		close(h.ready)
	}
}

func (h *Hub) publish(p *Page) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for s := range h.subs {
		select {
		case s.send <- p:
		default:
			delete(h.subs, s)
			close(s.send)
		}
	}
}

func (h *Hub) loseAll() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for s := range h.subs {
		delete(h.subs, s)
		close(s.send)
	}
}

func (h *Hub) end() {
	h.mu.Lock()
	h.done = true
	h.mu.Unlock()
	h.loseAll()
}

// Empty says whether nothing was touched.
func Empty(t api.Touched) bool {
	return len(t.Jobs) == 0 && len(t.Pods) == 0 && len(t.Nodes) == 0 && len(t.Accounts) == 0 && len(t.Users) == 0 &&
		len(t.QOS) == 0 && len(t.Partitions) == 0 && len(t.Tokens) == 0 && len(t.Signals) == 0
}
