package memstore

import (
	"context"
	"time"

	"github.com/coxswain-hpc/coxswain/api"
)

// put guards a noun's generation and returns the new one.
func put(kind api.Kind, name string, have, guard int64) (int64, error) {
	switch {
	case have == 0 && guard != 0:
		return 0, api.Errorf(api.CodeNotFound, "there is no %s %q", kind, name)
	case guard != 0 && guard != have:
		return 0, api.Errorf(api.CodeConflict, "%s %q has changed: read it again and retry", kind, name)
	}
	return have + 1, nil
}

// PutAccount replaces the spec; with generation 0 it makes the account where there is none.
func (s *Store) PutAccount(
	_ context.Context, name string, generation int64, spec api.AccountSpec, _ time.Time,
) (out api.Account, err error) {
	err = s.write(func(t *touched) error {
		next, err := put(api.KindAccount, name, s.accounts[name].Generation, generation)
		if err == nil {
			out = api.Account{Name: name, Generation: next, Spec: spec}
			s.accounts[name], t.accounts[name] = out, true
		}
		return err
	})
	return out, err
}

// PutUser is likewise.
func (s *Store) PutUser(
	_ context.Context, name string, generation int64, spec api.UserSpec, _ time.Time,
) (out api.User, err error) {
	err = s.write(func(t *touched) error {
		next, err := put(api.KindUser, name, s.users[name].Generation, generation)
		if err == nil {
			out = api.User{Name: name, Generation: next, Spec: spec}
			s.users[name], t.users[name] = out, true
		}
		return err
	})
	return out, err
}

// PutQOS is likewise.
func (s *Store) PutQOS(
	_ context.Context, name string, generation int64, spec api.QOSSpec, _ time.Time,
) (out api.QOS, err error) {
	err = s.write(func(t *touched) error {
		next, err := put(api.KindQOS, name, s.qos[name].Generation, generation)
		if err == nil {
			out = api.QOS{Name: name, Generation: next, Spec: spec}
			s.qos[name], t.qos[name] = out, true
		}
		return err
	})
	return out, err
}

// PutPartition is likewise.
func (s *Store) PutPartition(
	_ context.Context, name string, generation int64, spec api.PartitionSpec, _ time.Time,
) (out api.Partition, err error) {
	err = s.write(func(t *touched) error {
		next, err := put(api.KindPartition, name, s.partitions[name].Generation, generation)
		if err == nil {
			out = api.Partition{Name: name, Generation: next, Spec: spec}
			s.partitions[name], t.partitions[name] = out, true
		}
		return err
	})
	return out, err
}

// DeletePartition removes one.
func (s *Store) DeletePartition(_ context.Context, name string, _ time.Time) error {
	return s.write(func(t *touched) error {
		if _, has := s.partitions[name]; !has {
			return api.Errorf(api.CodeNotFound, "there is no partition %q", name)
		}
		delete(s.partitions, name)
		t.partitions[name] = true
		return nil
	})
}
