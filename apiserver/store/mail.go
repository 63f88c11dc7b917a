package store

import (
	"context"
	"time"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/apiserver/store/internal/db"
)

// ClaimMails takes at most limit mails that are due, and lets nobody else have them before until:
// whoever died meanwhile has not lost them.
func (s *Store) ClaimMails(ctx context.Context, now, until time.Time, limit int) ([]api.MailNotice, error) {
	rows, err := s.q.ClaimMails(ctx, db.ClaimMailsParams{
		Now: instant(now), Until: instant(until), MaxRows: pageLimit(limit),
	})
	if err != nil {
		return nil, interpretError("look for mails to send", err)
	}
	out := make([]api.MailNotice, len(rows))
	for i, r := range rows {
		out[i] = api.MailNotice{
			ID: r.ID, Job: api.JobID(r.JobID), Index: r.Idx, Attempt: r.Attempt, Event: r.Event, State: r.State,
			Message: r.Message, At: r.At, Tries: r.Tries,
		}
	}
	return out, nil
}

// DeferMail makes a mail due later.
func (s *Store) DeferMail(ctx context.Context, id int64, notBefore time.Time, tries int32) error {
	err := s.q.DeferMail(ctx, db.DeferMailParams{ID: id, NotBefore: instant(notBefore), Tries: tries})
	return interpretError(what("put mail %d off", id), err)
}

// DropMail forgets a mail that was sent or is no longer true.
func (s *Store) DropMail(ctx context.Context, id int64) error {
	return interpretError(what("drop mail %d", id), s.q.DropMail(ctx, id))
}

func (r *commitRows) addMail(m api.MailNotice) {
	p := &r.mails
	p.JobIds = append(p.JobIds, int64(m.Job))
	p.Indices = append(p.Indices, m.Index)
	p.Attempts = append(p.Attempts, m.Attempt)
	p.Events = append(p.Events, m.Event)
	p.States = append(p.States, m.State)
	p.Messages = append(p.Messages, m.Message)
	p.Ats = append(p.Ats, instant(m.At))
}
