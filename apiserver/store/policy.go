package store

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/apiserver/store/internal/db"
)

// noun is how to keep one of the nouns that are a name and a spec: N is the noun, S its spec.
type noun[N, S any] struct {
	kind   api.Kind
	get    func(context.Context, *db.Queries, string) (N, error)
	list   func(context.Context, *db.Queries, string, int32) ([]N, error)
	byName func(context.Context, *db.Queries, []string, int32) ([]N, error)
	insert func(context.Context, *db.Queries, string, S) (N, error)
	update func(context.Context, *db.Queries, string, S, int64) (N, error)
	remove func(context.Context, *db.Queries, string) (int64, error)
	touch  func(*api.Touched, string)
	// among checks a spec beside its fellows, in a serializable transaction with the change; nil for
	// nouns that stand for themselves.
	among func(ctx context.Context, q *db.Queries, name string, spec S) error
}

// page reads nouns by name, after a name.
func (n noun[N, S]) page(ctx context.Context, q *db.Queries, after string, limit int32) ([]N, error) {
	rows, err := n.list(ctx, q, after, limit)
	return rows, interpretError(what("list %ss", n.kind), err)
}

// named reads some by name; those that don't exist are left out.
func (n noun[N, S]) named(ctx context.Context, q *db.Queries, names []string) ([]N, error) {
	if len(names) == 0 {
		return nil, nil
	}
	rows, err := n.byName(ctx, q, names, policyMax)
	return rows, interpretError(what("read %ss", n.kind), err)
}

func (n noun[N, S]) one(ctx context.Context, q *db.Queries, name string) (N, error) {
	row, err := n.get(ctx, q, name)
	if noRows(err) {
		return row, n.absent(name)
	}
	return row, interpretError(what("read %s %s", n.kind, name), err)
}

func (n noun[N, S]) absent(name string) error {
	return api.Errorf(api.CodeNotFound, "there is no %s %q", n.kind, name)
}

// put replaces the spec, or makes the noun when generation is 0 and there is none.
func (n noun[N, S]) put(
	ctx context.Context, s *Store, name string, generation int64, spec S, now time.Time,
) (out N, err error) {
	options := pgx.TxOptions{}
	if n.among != nil {
		options.IsoLevel = pgx.Serializable
	}
	doing := what("put %s %s", n.kind, name)
	err = s.writeWith(ctx, doing, options, now, func(q *db.Queries, touched *api.Touched) error {
		n.touch(touched, name)
		if n.among != nil {
			if err := n.among(ctx, q, name, spec); err != nil {
				return err
			}
		}
		out, err = n.update(ctx, q, name, spec, generation)
		if !noRows(err) {
			return err
		}
		if generation != 0 {
			return n.conflict(ctx, q, name)
		}
		out, err = n.insert(ctx, q, name, spec)
		if noRows(err) { // made by somebody else since the update
			return api.Errorf(
				api.CodeConflict, "%s %q was just made by somebody else: read it and retry", n.kind, name,
			)
		}
		return err
	})
	return out, err
}

func (n noun[N, S]) conflict(ctx context.Context, q *db.Queries, name string) error {
	if _, err := n.one(ctx, q, name); err != nil {
		return err
	}
	return api.Errorf(api.CodeConflict, "%s %q has changed: read it again and retry", n.kind, name)
}

func (n noun[N, S]) drop(ctx context.Context, s *Store, name string, now time.Time) error {
	doing := what("delete %s %s", n.kind, name)
	return s.write(ctx, doing, now, func(q *db.Queries, touched *api.Touched) error {
		rows, err := n.remove(ctx, q, name)
		if err != nil {
			return fmt.Errorf("delete its row: %w", err)
		}
		if rows == 0 {
			return n.absent(name)
		}
		n.touch(touched, name)
		return nil
	})
}

// EnsureDefaults makes the account, QOS and partition that a new cluster has.
func (s *Store) EnsureDefaults(ctx context.Context, now time.Time) error {
	_, err := accounts.ensure(
		ctx, s, api.DefaultName, api.AccountSpec{Description: "for all who have no other"}, now,
	)
	if err != nil {
		return err
	}
	if _, err := qoses.ensure(ctx, s, api.DefaultName, api.QOSSpec{}, now); err != nil {
		return err
	}
	_, err = partitions.ensure(ctx, s, api.DefaultName, api.PartitionSpec{Default: true}, now)
	return err
}

// EnsureUser returns the user's row; a new one is a member of the default account.
func (s *Store) EnsureUser(ctx context.Context, identity api.Identity) (api.User, error) {
	spec := api.UserSpec{
		UID: identity.UID, Accounts: []string{api.DefaultName}, DefaultAccount: api.DefaultName,
	}
	return users.ensure(ctx, s, identity.User, spec, s.options.Clock.Now())
}

// ensure returns the noun and makes it if there is none.
func (n noun[N, S]) ensure(ctx context.Context, s *Store, name string, spec S, now time.Time) (out N, err error) {
	out, err = n.one(ctx, s.q, name)
	if api.CodeOf(err) != api.CodeNotFound {
		return out, err
	}
	doing := what("make %s %s", n.kind, name)
	err = s.write(ctx, doing, now, func(q *db.Queries, touched *api.Touched) error {
		out, err = n.insert(ctx, q, name, spec)
		if noRows(err) { // somebody else was faster
			out, err = n.one(ctx, q, name)
			return err
		}
		n.touch(touched, name)
		return err
	})
	return out, err
}
