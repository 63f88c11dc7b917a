package store

import (
	"context"
	"fmt"
	"time"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/apiserver/store/internal/db"
)

// This file lists, for each noun of policy.go, its statements and its four methods.

var accounts = noun[api.Account, api.AccountSpec]{
	kind: api.KindAccount,
	get: func(ctx context.Context, q *db.Queries, name string) (api.Account, error) {
		row, err := q.GetAccount(ctx, name)
		return api.Account(row), err
	},
	list: func(ctx context.Context, q *db.Queries, after string, limit int32) ([]api.Account, error) {
		rows, err := q.ListAccounts(ctx, after, limit)
		return accountsOf(rows), err
	},
	byName: func(ctx context.Context, q *db.Queries, names []string, limit int32) ([]api.Account, error) {
		rows, err := q.AccountsByNames(ctx, names, limit)
		return accountsOf(rows), err
	},
	insert: func(ctx context.Context, q *db.Queries, name string, spec api.AccountSpec) (api.Account, error) {
		row, err := q.InsertAccount(ctx, name, spec)
		return api.Account(row), err
	},
	update: func(
		ctx context.Context, q *db.Queries, name string, spec api.AccountSpec, generation int64,
	) (api.Account, error) {
		row, err := q.UpdateAccount(
			ctx, db.UpdateAccountParams{Spec: spec, Name: name, Generation: generation},
		)
		return api.Account(row), err
	},
	remove: func(ctx context.Context, q *db.Queries, name string) (int64, error) {
		return q.DeleteAccount(ctx, name)
	},
	touch: func(t *api.Touched, name string) { t.Accounts = append(t.Accounts, name) },
}

func accountsOf(rows []db.Account) []api.Account {
	out := make([]api.Account, len(rows))
	for i, row := range rows {
		out[i] = api.Account(row)
	}
	return out
}

// GetAccount reads one.
func (s *Store) GetAccount(ctx context.Context, name string) (api.Account, error) {
	return accounts.one(ctx, s.q, name)
}

// ListAccounts reads them by name, after a name ("" for the first page).
func (s *Store) ListAccounts(ctx context.Context, after string, limit int) ([]api.Account, error) {
	return accounts.page(ctx, s.q, after, pageLimit(limit))
}

// PutAccount replaces the spec. A generation other than 0 must be the current one; with 0 it is made
// when there is none.
func (s *Store) PutAccount(
	ctx context.Context, name string, generation int64, spec api.AccountSpec, now time.Time,
) (api.Account, error) {
	return accounts.put(ctx, s, name, generation, spec, now)
}

// DeleteAccount removes it.
func (s *Store) DeleteAccount(ctx context.Context, name string, now time.Time) error {
	return accounts.drop(ctx, s, name, now)
}

var users = noun[api.User, api.UserSpec]{
	kind: api.KindUser,
	get: func(ctx context.Context, q *db.Queries, name string) (api.User, error) {
		row, err := q.GetUser(ctx, name)
		return api.User(row), err
	},
	list: func(ctx context.Context, q *db.Queries, after string, limit int32) ([]api.User, error) {
		rows, err := q.ListUsers(ctx, after, limit)
		return usersOf(rows), err
	},
	byName: func(ctx context.Context, q *db.Queries, names []string, limit int32) ([]api.User, error) {
		rows, err := q.UsersByNames(ctx, names, limit)
		return usersOf(rows), err
	},
	insert: func(ctx context.Context, q *db.Queries, name string, spec api.UserSpec) (api.User, error) {
		row, err := q.InsertUser(ctx, name, spec)
		return api.User(row), err
	},
	update: func(
		ctx context.Context, q *db.Queries, name string, spec api.UserSpec, generation int64,
	) (api.User, error) {
		row, err := q.UpdateUser(ctx, db.UpdateUserParams{Spec: spec, Name: name, Generation: generation})
		return api.User(row), err
	},
	remove: func(ctx context.Context, q *db.Queries, name string) (int64, error) {
		return q.DeleteUser(ctx, name)
	},
	touch: func(t *api.Touched, name string) { t.Users = append(t.Users, name) },
}

func usersOf(rows []db.User) []api.User {
	out := make([]api.User, len(rows))
	for i, row := range rows {
		out[i] = api.User(row)
	}
	return out
}

// GetUser reads one.
func (s *Store) GetUser(ctx context.Context, name string) (api.User, error) {
	return users.one(ctx, s.q, name)
}

// ListUsers reads them by name, after a name ("" for the first page).
func (s *Store) ListUsers(ctx context.Context, after string, limit int) ([]api.User, error) {
	return users.page(ctx, s.q, after, pageLimit(limit))
}

// PutUser replaces the spec. A generation other than 0 must be the current one; with 0 it is made
// when there is none.
func (s *Store) PutUser(
	ctx context.Context, name string, generation int64, spec api.UserSpec, now time.Time,
) (api.User, error) {
	return users.put(ctx, s, name, generation, spec, now)
}

// DeleteUser removes it.
func (s *Store) DeleteUser(ctx context.Context, name string, now time.Time) error {
	return users.drop(ctx, s, name, now)
}

var qoses = noun[api.QOS, api.QOSSpec]{
	kind: api.KindQOS,
	get: func(ctx context.Context, q *db.Queries, name string) (api.QOS, error) {
		row, err := q.GetQOS(ctx, name)
		return api.QOS(row), err
	},
	list: func(ctx context.Context, q *db.Queries, after string, limit int32) ([]api.QOS, error) {
		rows, err := q.ListQOSes(ctx, after, limit)
		return qosesOf(rows), err
	},
	byName: func(ctx context.Context, q *db.Queries, names []string, limit int32) ([]api.QOS, error) {
		rows, err := q.QOSesByNames(ctx, names, limit)
		return qosesOf(rows), err
	},
	insert: func(ctx context.Context, q *db.Queries, name string, spec api.QOSSpec) (api.QOS, error) {
		row, err := q.InsertQOS(ctx, name, spec)
		return api.QOS(row), err
	},
	update: func(
		ctx context.Context, q *db.Queries, name string, spec api.QOSSpec, generation int64,
	) (api.QOS, error) {
		row, err := q.UpdateQOS(ctx, db.UpdateQOSParams{Spec: spec, Name: name, Generation: generation})
		return api.QOS(row), err
	},
	remove: func(ctx context.Context, q *db.Queries, name string) (int64, error) {
		return q.DeleteQOS(ctx, name)
	},
	touch: func(t *api.Touched, name string) { t.QOS = append(t.QOS, name) },
}

func qosesOf(rows []db.QOS) []api.QOS {
	out := make([]api.QOS, len(rows))
	for i, row := range rows {
		out[i] = api.QOS(row)
	}
	return out
}

// GetQOS reads one.
func (s *Store) GetQOS(ctx context.Context, name string) (api.QOS, error) {
	return qoses.one(ctx, s.q, name)
}

// ListQOS reads them by name, after a name ("" for the first page).
func (s *Store) ListQOS(ctx context.Context, after string, limit int) ([]api.QOS, error) {
	return qoses.page(ctx, s.q, after, pageLimit(limit))
}

// PutQOS replaces the spec. A generation other than 0 must be the current one; with 0 it is made
// when there is none.
func (s *Store) PutQOS(
	ctx context.Context, name string, generation int64, spec api.QOSSpec, now time.Time,
) (api.QOS, error) {
	return qoses.put(ctx, s, name, generation, spec, now)
}

// DeleteQOS removes it.
func (s *Store) DeleteQOS(ctx context.Context, name string, now time.Time) error {
	return qoses.drop(ctx, s, name, now)
}

var partitions = noun[api.Partition, api.PartitionSpec]{
	kind: api.KindPartition,
	get: func(ctx context.Context, q *db.Queries, name string) (api.Partition, error) {
		row, err := q.GetPartition(ctx, name)
		return api.Partition(row), err
	},
	list: func(ctx context.Context, q *db.Queries, after string, limit int32) ([]api.Partition, error) {
		rows, err := q.ListPartitions(ctx, after, limit)
		return partitionsOf(rows), err
	},
	byName: func(ctx context.Context, q *db.Queries, names []string, limit int32) ([]api.Partition, error) {
		rows, err := q.PartitionsByNames(ctx, names, limit)
		return partitionsOf(rows), err
	},
	insert: func(
		ctx context.Context, q *db.Queries, name string, spec api.PartitionSpec,
	) (api.Partition, error) {
		row, err := q.InsertPartition(ctx, name, spec)
		return api.Partition(row), err
	},
	update: func(
		ctx context.Context, q *db.Queries, name string, spec api.PartitionSpec, generation int64,
	) (api.Partition, error) {
		row, err := q.UpdatePartition(
			ctx, db.UpdatePartitionParams{Spec: spec, Name: name, Generation: generation},
		)
		return api.Partition(row), err
	},
	remove: func(ctx context.Context, q *db.Queries, name string) (int64, error) {
		return q.DeletePartition(ctx, name)
	},
	touch: func(t *api.Touched, name string) { t.Partitions = append(t.Partitions, name) },
	among: oneDefault,
}

// oneDefault: at most one partition is the default.
func oneDefault(ctx context.Context, q *db.Queries, name string, spec api.PartitionSpec) error {
	if !spec.Default {
		return nil
	}
	rows, err := q.ListPartitions(ctx, "", policyMax)
	if err != nil {
		return fmt.Errorf("read the partitions: %w", err)
	}
	for _, row := range rows {
		if row.Spec.Default && row.Name != name {
			return api.Errorf(api.CodeConflict,
				"the partition %s is the default already: make that one ordinary first", row.Name)
		}
	}
	return nil
}

func partitionsOf(rows []db.Partition) []api.Partition {
	out := make([]api.Partition, len(rows))
	for i, row := range rows {
		out[i] = api.Partition(row)
	}
	return out
}

// GetPartition reads one.
func (s *Store) GetPartition(ctx context.Context, name string) (api.Partition, error) {
	return partitions.one(ctx, s.q, name)
}

// ListPartitions reads them by name, after a name ("" for the first page).
func (s *Store) ListPartitions(ctx context.Context, after string, limit int) ([]api.Partition, error) {
	return partitions.page(ctx, s.q, after, pageLimit(limit))
}

// PutPartition replaces the spec. A generation other than 0 must be the current one; with 0 it is made
// when there is none.
func (s *Store) PutPartition(
	ctx context.Context, name string, generation int64, spec api.PartitionSpec, now time.Time,
) (api.Partition, error) {
	return partitions.put(ctx, s, name, generation, spec, now)
}

// DeletePartition removes it.
func (s *Store) DeletePartition(ctx context.Context, name string, now time.Time) error {
	return partitions.drop(ctx, s, name, now)
}
