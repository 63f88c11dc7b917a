package store

import (
	"context"
	"strconv"
	"time"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/apiserver/store/internal/db"
)

// AddEvents appends to the history. Events name no feed row: whoever watches an object reads its
// history when the object changes.
func (s *Store) AddEvents(ctx context.Context, events []api.Event) error {
	var p db.AddEventsParams
	if err := appendEvents(&p, events); err != nil {
		return interpretError("add to the history", err)
	}
	return interpretError("add to the history", s.q.AddEvents(ctx, p))
}

// ListEvents reads an object's history after an event id (0 for all), oldest first.
func (s *Store) ListEvents(
	ctx context.Context, kind api.Kind, object string, after int64, limit int,
) ([]api.Event, error) {
	rows, err := s.q.ListEvents(ctx, db.ListEventsParams{
		Kind: string(kind), Object: object, After: after, MaxRows: pageLimit(limit),
	})
	if err != nil {
		return nil, interpretError(what("read the history of %s %s", kind, object), err)
	}
	out := make([]api.Event, len(rows))
	for i, row := range rows {
		out[i] = eventOf(row)
	}
	return out, nil
}

func appendEvents(p *db.AddEventsParams, events []api.Event) error {
	for _, e := range events {
		pod := ""
		if e.Pod != nil {
			var err error
			if pod, err = jsonText(e.Pod); err != nil {
				return err
			}
		}
		p.Ats = append(p.Ats, instant(e.At))
		p.Kinds = append(p.Kinds, string(e.Kind))
		p.Objects = append(p.Objects, e.Object)
		p.Pods = append(p.Pods, pod)
		p.Reasons = append(p.Reasons, string(e.Reason))
		p.Messages = append(p.Messages, e.Message)
		p.Actors = append(p.Actors, e.Actor)
	}
	return nil
}

func jobEvent(id int64, at time.Time, reason api.Reason, actor, message string) api.Event {
	return api.Event{
		At: at, Kind: api.KindJob, Object: strconv.FormatInt(id, 10),
		Reason: reason, Message: message, Actor: actor,
	}
}

// addEvent adds an event unless the write before it failed.
func addEvent(ctx context.Context, q *db.Queries, before error, e api.Event) error {
	if before != nil {
		return before
	}
	var p db.AddEventsParams
	if err := appendEvents(&p, []api.Event{e}); err != nil {
		return err
	}
	return q.AddEvents(ctx, p)
}
