package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"github.com/coxswain-hpc/coxswain/api"
)

func TestInterpretError(t *testing.T) {
	t.Parallel()
	for code, errs := range map[api.Code][]error{
		api.CodeExists:   {&pgconn.PgError{Code: "23505"}},
		api.CodeConflict: {&pgconn.PgError{Code: "40001"}, &pgconn.PgError{Code: "40P01"}},
		api.CodeUnavailable: {
			&pgconn.PgError{Code: "57P01"}, // terminated by an administrator, or by the next leader
			&pgconn.PgError{Code: "57P03"}, // starting up
			&pgconn.PgError{Code: "53300"}, // too many connections
			&pgconn.PgError{Code: "53100"}, // disk full
			&pgconn.PgError{Code: "25006"}, // a standby
			&pgconn.PgError{Code: "25P03"}, // idle in a transaction for too long
			&pgconn.PgError{Code: "55P03"},
			io.ErrUnexpectedEOF, io.EOF, net.ErrClosed, context.DeadlineExceeded,
			&net.OpError{Op: "dial", Err: errors.New("refused")},
		},
		api.CodeNotFound: {pgx.ErrNoRows},
		api.CodeInternal: {
			&pgconn.PgError{Code: "23514"}, &pgconn.PgError{Code: "42703"}, errors.New("else"),
		},
		api.CodeEnded: {api.ErrEnded},
	} {
		for _, err := range errs {
			got := interpretError("do it", fmt.Errorf("step: %w", err))
			require.Equal(t, code, api.CodeOf(got), "%v", err)
			require.ErrorIs(t, got, err)
		}
	}
	require.NoError(t, interpretError("do it", nil))
}
