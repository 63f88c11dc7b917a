package store

import (
	"context"
	"time"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/apiserver/store/internal/db"
	"github.com/coxswain-hpc/coxswain/migrations"
)

// Meta is the store's identity. A restore from a backup gets a new epoch.
type Meta struct {
	ClusterName string
	Epoch       string
}

// Migrate brings the schema up to date and gives a new database its identity. An existing cluster
// keeps its name.
func (s *Store) Migrate(ctx context.Context, clusterName string) error {
	if err := migrations.Up(ctx, s.options.DSN); err != nil {
		return interpretError("migrate the database", err)
	}
	now := instant(s.options.Clock.Now())
	err := s.q.InsertMeta(ctx, db.InsertMetaParams{ClusterName: clusterName, Epoch: newID(), CreatedAt: now})
	if err != nil {
		return interpretError("name the cluster", err)
	}
	return s.RunKeeper(ctx, now)
}

// Meta reads the store's identity.
func (s *Store) Meta(ctx context.Context) (Meta, error) {
	row, err := s.q.GetMeta(ctx)
	if noRows(err) {
		return Meta{}, errNoMeta
	}
	if err != nil {
		return Meta{}, interpretError("read the cluster's identity", err)
	}
	return Meta{ClusterName: row.ClusterName, Epoch: row.Epoch}, nil
}

// NewEpoch is for a database that was restored from a backup: all cursors become invalid.
func (s *Store) NewEpoch(ctx context.Context) error {
	return interpretError("begin a new epoch", s.q.SetEpoch(ctx, newID()))
}

// Authority reads the cluster's authority; CodeNotFound before there is one.
func (s *Store) Authority(ctx context.Context) (certificate, sealedKey []byte, err error) {
	row, err := s.q.GetAuthority(ctx)
	if noRows(err) {
		return nil, nil, api.Errorf(api.CodeNotFound, "the cluster has no authority yet")
	}
	if err != nil {
		return nil, nil, interpretError("read the cluster's authority", err)
	}
	return row.Certificate, row.SealedKey, nil
}

// PutAuthority stores the authority unless there is one, and returns what is stored then.
func (s *Store) PutAuthority(
	ctx context.Context, certificate, sealedKey []byte, now time.Time,
) (storedCertificate, storedKey []byte, err error) {
	err = s.q.InsertAuthority(ctx, db.InsertAuthorityParams{
		Certificate: certificate, SealedKey: sealedKey, CreatedAt: instant(now),
	})
	if err != nil {
		return nil, nil, interpretError("store the cluster's authority", err)
	}
	return s.Authority(ctx)
}
