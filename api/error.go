package api

import (
	"errors"
	"fmt"
	"strings"
)

// Code is a stable, machine-readable error code; it is part of the API and never changes meaning.
type Code string

// The error codes. docs/errors.md lists them with their HTTP status and the CLI's exit code.
const (
	CodeInvalid          Code = "invalid"            // a field has a value that can't be right
	CodeInvalidID        Code = "invalid_id"         // an id or name that can't be parsed
	CodeUnknownField     Code = "unknown_field"      // a field that the API does not have
	CodeUnsupported      Code = "unsupported"        // known, but not done by Coxswain yet
	CodeUnauthenticated  Code = "unauthenticated"    // nobody we know
	CodeForbidden        Code = "forbidden"          // known, but not allowed
	CodeNotFound         Code = "not_found"          // no such object, or not yours to see
	CodeExists           Code = "exists"             // the name is taken
	CodeConflict         Code = "conflict"           // changed meanwhile: read again and retry
	CodeEnded            Code = "ended"              // the job has ended; it can't be changed any more
	CodeGone             Code = "gone"               // a cursor that is too old: list again
	CodeImpossible       Code = "impossible"         // no node could ever run this
	CodeLimit            Code = "limit"              // over a quota or a named limit
	CodeUnavailable      Code = "unavailable"        // database or leader away: retry later
	CodeNotLeader        Code = "not_leader"         // this server does not lead (term over)
	CodeIdentityMismatch Code = "identity_mismatch"  // the node knows that uid as somebody else
	CodeStaleAttempt     Code = "stale_attempt"      // a report about an attempt that is over
	CodeInternal         Code = "internal"           // our fault; the log has the cause
	CodeTransactionPool  Code = "transaction_pooler" // the DSN leads to a transaction pooler
)

// FieldError is one wrong field of a request: where (a path such as roles[0].count or a header
// line), and what is wrong with it.
type FieldError struct {
	Field   string `json:"field"`
	Message string `json:"message"`
}

// Error is an error with a code, a sentence that says what happened and what to do, and the fields
// that are wrong. Foreign errors are turned into it once, at the edge where they enter.
type Error struct {
	Code    Code         `json:"code"`
	Message string       `json:"message"`
	Fields  []FieldError `json:"fields,omitempty"`
	Cause   error        `json:"-"`
}

// Error returns the sentence, followed by the wrong fields.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Message)
	for _, f := range e.Fields {
		b.WriteString("; " + f.Field + ": " + f.Message)
	}
	return b.String()
}

// Unwrap returns the cause, for errors.Is and errors.As.
func (e *Error) Unwrap() error { return e.Cause }

// Is makes errors.Is compare codes, so that errors.Is(err, api.ErrConflict) works.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code
}

// Sentinels for errors.Is; only their code matters.
var (
	ErrConflict    = &Error{Code: CodeConflict, Message: "conflict"}
	ErrNotFound    = &Error{Code: CodeNotFound, Message: "not found"}
	ErrGone        = &Error{Code: CodeGone, Message: "gone"}
	ErrNotLeader   = &Error{Code: CodeNotLeader, Message: "not the leader"}
	ErrUnavailable = &Error{Code: CodeUnavailable, Message: "unavailable"}
	ErrEnded       = &Error{Code: CodeEnded, Message: "ended"}
)

// Errorf makes an Error with a code and a sentence; %w keeps a cause.
func Errorf(code Code, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	return &Error{Code: code, Message: err.Error(), Cause: errors.Unwrap(err)}
}

// CodeOf returns the code of err, or CodeInternal for a foreign error, or "" for nil.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return CodeInternal
}
