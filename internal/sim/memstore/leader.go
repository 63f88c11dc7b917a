package memstore

import (
	"context"

	"github.com/coxswain-hpc/coxswain/api"
)

// Leader reads the leader's row.
func (s *Store) Leader(context.Context) (row api.LeaderRow, err error) {
	s.read(func() { row = s.leader })
	return row, nil
}

// TakeOver makes holder the leader of the term after old, if old is still the term.
func (s *Store) TakeOver(_ context.Context, old int64, holder string) (term int64, ok bool, err error) {
	s.read(func() {
		if ok = s.leader.Term == old; ok {
			s.leader = api.LeaderRow{Term: old + 1, Holder: holder}
		}
	})
	return old + 1, ok, nil
}

// Renew raises the beat.
func (s *Store) Renew(_ context.Context, term int64) (err error) {
	s.read(func() {
		if err = s.fence(term); err == nil {
			s.leader.Beat++
		}
	})
	return err
}

func (s *Store) fence(term int64) error {
	if s.leader.Term != term {
		return api.Errorf(api.CodeNotLeader, "term %d is over: another server leads", term)
	}
	return nil
}

// TakeIDs takes n consecutive numbers and returns the first.
func (s *Store) TakeIDs(_ context.Context, term int64, n int) (first api.JobID, err error) {
	s.read(func() {
		if err = s.fence(term); err == nil {
			first = s.lastID + 1
			s.lastID += api.JobID(n)
		}
	})
	return first, err
}
