package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/coxswain-hpc/coxswain/apiserver/store/internal/db"
)

// pipeline gathers statements that sqlc made and sends them in one round trip. It takes statements
// without results only.
type pipeline struct{ batch pgx.Batch }

var (
	_ db.DBTX = (*pipeline)(nil)

	errPipelined = errors.New("a pipelined statement gives no rows")
)

// Exec queues the statement; its error shows at send.
func (p *pipeline) Exec(_ context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	p.batch.Queue(sql, args...)
	return pgconn.CommandTag{}, nil
}

// Query is not for pipelines.
func (p *pipeline) Query(context.Context, string, ...any) (pgx.Rows, error) { return nil, errPipelined }

// QueryRow is not for pipelines.
func (p *pipeline) QueryRow(context.Context, string, ...any) pgx.Row { return noRow{} }

type noRow struct{}

func (noRow) Scan(...any) error { return errPipelined }

// sender is a connection or a pool.
type sender interface {
	SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults
}

// send runs all that was queued and returns the first error.
func (p *pipeline) send(ctx context.Context, to sender) error {
	results := to.SendBatch(ctx, &p.batch)
	for range p.batch.Len() {
		if _, err := results.Exec(); err != nil {
			return errors.Join(err, results.Close())
		}
	}
	if err := results.Close(); err != nil {
		return fmt.Errorf("end the batch: %w", err)
	}
	return nil
}
