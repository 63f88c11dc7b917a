package store

import (
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/coxswain-hpc/coxswain/api"
)

// SQLSTATE codes that mean something to us.
const (
	stateUnique            = "23505"
	stateSerialization     = "40001"
	stateDeadlock          = "40P01"
	stateLockNotAvailable  = "55P03"
	stateDiskFull          = "53100"
	stateUndefinedTable    = "42P01"
	stateReadOnly          = "25006"
	stateDuplicateTable    = "42P07"
	stateIdleInTransaction = "25P03"
	stateCheckViolation    = "23514"
)

// interpretError is the one place where errors of the driver become errors of ours. doing says what
// was tried, as in "bind job 42". An *api.Error passes through; nil stays nil.
func interpretError(doing string, err error) error {
	var ours *api.Error
	var pg *pgconn.PgError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &ours):
		return err
	case errors.Is(err, pgx.ErrNoRows):
		return api.Errorf(api.CodeNotFound, "%s: there is no such object: %w", doing, err)
	case errors.Is(err, context.Canceled):
		return fmt.Errorf("%s: %w", doing, err)
	case errors.As(err, &pg):
		return api.Errorf(codeOf(pg.Code), "%s: %s: %w", doing, advice(pg.Code), err)
	case isConnectionTrouble(err):
		return api.Errorf(api.CodeUnavailable, "%s: the database can't be reached now: %w", doing, err)
	}
	return api.Errorf(api.CodeInternal, "%s: %w", doing, err)
}

func codeOf(state string) api.Code {
	switch {
	case state == stateUnique:
		return api.CodeExists
	case state == stateSerialization, state == stateDeadlock:
		return api.CodeConflict
	case isOutage(state):
		return api.CodeUnavailable
	}
	return api.CodeInternal
}

// isOutage says whether the state is about the server as a whole: classes 08 (connection), 53
// (resources), 57 (intervention) and 58 (system), a standby that takes no writes, a lost lock wait.
func isOutage(state string) bool {
	switch state[:min(2, len(state))] {
	case "08", "53", "57", "58":
		return true
	}
	return state == stateReadOnly || state == stateLockNotAvailable || state == stateIdleInTransaction
}

func advice(state string) string {
	switch state {
	case stateDiskFull:
		return "the database's disk is full; free some space"
	case stateUndefinedTable:
		return "the database has no schema yet; run the migrations"
	case stateReadOnly:
		return "the database is a standby that takes no writes; point the server at the primary"
	}
	return "the database refused"
}

func isConnectionTrouble(err error) bool {
	var network net.Error
	var connect *pgconn.ConnectError
	return errors.As(err, &network) || errors.As(err, &connect) || pgconn.SafeToRetry(err) ||
		errors.Is(err, context.DeadlineExceeded) || isClosed(err)
}

// isClosed recognises what the driver says of a connection that died under it.
func isClosed(err error) bool {
	return errors.Is(err, net.ErrClosed) || errors.Is(err, errEOF) || errors.Is(err, errUnexpectedEOF) ||
		pgconn.Timeout(err) || err.Error() == "conn closed" || err.Error() == "closed pool"
}

func isRetryable(err error) bool {
	state := sqlState(err)
	return state == stateSerialization || state == stateDeadlock
}

func sqlState(err error) string {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return pg.Code
	}
	return ""
}

func invalidDSN(err error) error {
	// The driver's message leaves the password out.
	return api.Errorf(api.CodeInvalid, "the database's address can't be read; "+
		"write postgres://user@host/database: %w", err)
}
