package apiserver

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/apiserver/authn"
	"github.com/coxswain-hpc/coxswain/apiserver/watch"
)

const (
	// heartbeat keeps connections open through proxies, and brings idle watchers a fresh cursor.
	heartbeat = 15 * time.Second
	// eventWriteMax ends a watcher that does not read.
	eventWriteMax = 30 * time.Second
)

// watcher is one client of GET /v1/watch.
type watcher struct {
	server *Server
	kinds  []watchKind
	ids    map[string]bool
	out    io.Writer
	flush  *http.ResponseController
	cursor api.Cursor
}

// watch streams changes as server-sent events. The subscription begins before the client's cursor is
// caught up with, so that nothing falls between; what is told twice is current both times.
func (s *Server) watch(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	kinds, err := s.watchKinds(authn.CallerOf(r.Context()), q.Get("kinds"))
	if err != nil {
		return err
	}
	text := q.Get("cursor")
	if text == "" {
		text = r.Header.Get("Last-Event-ID")
	}
	cursor, err := decodeCursor(text)
	if err != nil {
		return err
	}
	begin, cancel := context.WithTimeout(r.Context(), operationMax)
	defer cancel()
	sub, err := s.hub.Subscribe(begin)
	if err != nil {
		return err
	}
	defer sub.Close()
	touched, next, err := feedSource{s.store}.Next(begin, cursor)
	if err != nil {
		return err
	}
	v := &watcher{
		server: s, kinds: kinds, ids: idSet(q.Get("ids")), out: w,
		flush: http.NewResponseController(w), cursor: cursor,
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Accel-Buffering", "no")
	w.WriteHeader(http.StatusOK)
	v.run(r.Context(), sub, &watch.Page{From: cursor, To: next, Touched: touched})
	return nil
}

func idSet(text string) map[string]bool {
	var set map[string]bool
	for _, id := range splitList(text) {
		if set == nil {
			set = map[string]bool{}
		}
		set[id] = true
	}
	return set
}

// run tells the first page and all that come; it returns when the client is gone, is too slow, or
// the subscription is lost: the client then connects again with its cursor.
func (v *watcher) run(ctx context.Context, sub *watch.Subscription, first *watch.Page) {
	if v.page(ctx, first) != nil || v.cursorEvent() != nil {
		return
	}
	timer := v.server.clock.NewTimer(heartbeat)
	defer timer.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return
		case <-v.server.life.Done():
			return
		case <-timer.C:
			err = v.cursorEvent()
			timer.Reset(heartbeat)
		case page, ok := <-sub.C:
			if !ok {
				return
			}
			err = v.page(ctx, page)
		}
		if err != nil {
			return
		}
	}
}

// page tells what of a page the client watches, and then the cursor. A page that holds nothing for it
// only moves the cursor, which the next heartbeat tells.
func (v *watcher) page(ctx context.Context, page *watch.Page) error {
	told := 0
	for _, kind := range v.kinds {
		ids := v.wanted(kind.touched(page.Touched))
		if len(ids) == 0 {
			continue
		}
		objects, err := page.Memo(kind.kind,
			func() (any, error) { return kind.load(ctx, v.server, page.Touched) })
		if err != nil {
			return err
		}
		for _, id := range ids {
			object := objects.(map[string]any)[id.id] //nolint:forcetypeassert // kind.load returned it
			if err := v.event(kind.kind, id, object, page.From); err != nil {
				return err
			}
			told++
		}
	}
	v.cursor = page.To
	if told == 0 {
		return nil
	}
	return v.cursorEvent()
}

// wanted leaves the objects that the client asked for; a pod also counts by its job's number.
func (v *watcher) wanted(all []touchedID) []touchedID {
	if v.ids == nil {
		return all
	}
	var out []touchedID
	for _, id := range all {
		if v.ids[id.id] || v.ids[id.owner] {
			out = append(out, id)
		}
	}
	return out
}

// event tells an object's current state, under the cursor before the page: whoever resumes from it
// sees the whole page again.
func (v *watcher) event(kind api.Kind, id touchedID, object any, from api.Cursor) error {
	if object == nil {
		object = map[string]string{"deleted": id.id}
	}
	data, err := json.Marshal(object)
	if err != nil {
		return fmt.Errorf("encode %s %s: %w", kind, id.id, err)
	}
	return v.write(string(kind), from, data)
}

func (v *watcher) cursorEvent() error { return v.write("cursor", v.cursor, []byte("{}")) }

func (v *watcher) write(event string, cursor api.Cursor, data []byte) error {
	v.flush.SetWriteDeadline(v.server.clock.Now().Add(eventWriteMax)) //nolint:errcheck // not every writer has one
	var b strings.Builder
	fmt.Fprintf(&b, "event: %s\n", event)
	if cursor != (api.Cursor{}) {
		fmt.Fprintf(&b, "id: %s\n", encodeCursor(cursor))
	}
	fmt.Fprintf(&b, "data: %s\n\n", data)
	if _, err := io.WriteString(v.out, b.String()); err != nil {
		return fmt.Errorf("write to a watcher: %w", err)
	}
	return v.flush.Flush()
}

// encodeCursor gives a cursor as one opaque word.
func encodeCursor(c api.Cursor) string {
	return base64.RawURLEncoding.EncodeToString([]byte(c.Epoch + " " + c.Snapshot))
}

func decodeCursor(text string) (api.Cursor, error) {
	if text == "" {
		return api.Cursor{}, nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(text)
	epoch, snapshot, ok := strings.Cut(string(raw), " ")
	if err != nil || !ok || epoch == "" || snapshot == "" {
		return api.Cursor{}, api.Errorf(api.CodeInvalid,
			"the cursor can't be read; use one that a watch gave")
	}
	return api.Cursor{Epoch: epoch, Snapshot: snapshot}, nil
}
