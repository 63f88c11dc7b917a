package apiserver

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/danielgtaylor/huma/v2"

	"github.com/coxswain-hpc/coxswain/api"
)

// statusOf is the one table from error code to HTTP status; docs/errors.md shows it, and a test
// compares the two.
var statusOf = map[api.Code]int{
	api.CodeInvalid:          http.StatusUnprocessableEntity,
	api.CodeInvalidID:        http.StatusBadRequest,
	api.CodeUnknownField:     http.StatusUnprocessableEntity,
	api.CodeUnsupported:      http.StatusNotImplemented,
	api.CodeUnauthenticated:  http.StatusUnauthorized,
	api.CodeForbidden:        http.StatusForbidden,
	api.CodeNotFound:         http.StatusNotFound,
	api.CodeExists:           http.StatusConflict,
	api.CodeConflict:         http.StatusConflict,
	api.CodeEnded:            http.StatusConflict,
	api.CodeGone:             http.StatusGone,
	api.CodeImpossible:       http.StatusUnprocessableEntity,
	api.CodeLimit:            http.StatusUnprocessableEntity,
	api.CodeUnavailable:      http.StatusServiceUnavailable,
	api.CodeNotLeader:        http.StatusServiceUnavailable,
	api.CodeIdentityMismatch: http.StatusForbidden,
	api.CodeStaleAttempt:     http.StatusConflict,
	api.CodeInternal:         http.StatusInternalServerError,
	api.CodeTransactionPool:  http.StatusServiceUnavailable,
}

// Problem is an error on the wire: RFC 9457 problem details with our stable code and the wrong fields.
type Problem struct {
	Type   string           `json:"type" doc:"urn:cox:error: followed by the code"`
	Title  string           `json:"title" doc:"The HTTP status in words"`
	Status int              `json:"status" doc:"The HTTP status"`
	Detail string           `json:"detail" doc:"What happened and what to do, for people"`
	Code   api.Code         `json:"code" doc:"The stable error code"`
	Fields []api.FieldError `json:"fields,omitempty" doc:"The wrong fields of the request"`
}

// Error implements error.
func (p *Problem) Error() string { return p.Detail }

// GetStatus implements huma.StatusError.
func (p *Problem) GetStatus() int { return p.Status }

// ContentType implements huma.ContentTypeFilter.
func (p *Problem) ContentType(string) string { return "application/problem+json" }

// problemOf turns an error into what the wire may see: of foreign errors nothing but that they are.
func problemOf(err error) *Problem {
	var e *api.Error
	if !errors.As(err, &e) {
		e = &api.Error{Code: api.CodeInternal, Message: "an error inside the server; its log has the cause"}
	}
	status, ok := statusOf[e.Code]
	if !ok {
		status = http.StatusInternalServerError
	}
	return &Problem{
		Type: "urn:cox:error:" + string(e.Code), Title: http.StatusText(status), Status: status,
		Detail: e.Message, Code: e.Code, Fields: e.Fields,
	}
}

// writeProblem answers on the routes that huma does not serve.
func (s *Server) writeProblem(w http.ResponseWriter, r *http.Request, err error) {
	p := problemOf(err)
	s.logProblem(r.Context(), r.Method+" "+r.URL.Path, p, err)
	w.Header().Set("Content-Type", p.ContentType(""))
	w.WriteHeader(p.Status)
	writeJSON(w, p) //nolint:errcheck // the peer is gone; nobody is left to tell
}

func (s *Server) logProblem(ctx context.Context, operation string, p *Problem, err error) {
	gone := errors.Is(err, context.Canceled) // whoever asked doesn't wait for the answer any more
	if p.Status == http.StatusInternalServerError && !gone {
		s.log.ErrorContext(ctx, "request failed", slog.String("operation", operation), slog.Any("error", err))
	}
}

// Huma makes its own errors (a parameter that is no number, a body that is too large) through a
// function variable; it is set once for the process, since all our servers want the same.
var humaErrors sync.Once //nolint:gochecknoglobals // guards a variable of the process

func installProblems() {
	humaErrors.Do(func() {
		huma.NewError = func(status int, message string, errs ...error) huma.StatusError {
			return problemOfHuma(status, message, errs)
		}
	})
}

func problemOfHuma(status int, message string, errs []error) *Problem {
	e := &api.Error{Code: humaCode(status), Message: message}
	for _, err := range errs {
		var d huma.ErrorDetailer
		if errors.As(err, &d) {
			detail := d.ErrorDetail()
			e.Fields = append(e.Fields, api.FieldError{Field: detail.Location, Message: detail.Message})
		}
	}
	p := problemOf(e)
	if status != 0 {
		p.Status, p.Title = status, http.StatusText(status)
	}
	return p
}

func humaCode(status int) api.Code {
	switch status {
	case http.StatusRequestEntityTooLarge:
		return api.CodeLimit
	case http.StatusNotFound:
		return api.CodeNotFound
	case http.StatusRequestTimeout:
		return api.CodeUnavailable
	}
	if status >= http.StatusInternalServerError {
		return api.CodeInternal
	}
	return api.CodeInvalid
}

// fieldErrors collects the wrong fields of a request, so that the user hears of all at once.
type fieldErrors []api.FieldError

func (f *fieldErrors) add(field, message string) {
	*f = append(*f, api.FieldError{Field: field, Message: message})
}

// addError adds an error of a parser under the field that it is about.
func (f *fieldErrors) addError(field string, err error) {
	if err != nil {
		f.add(field, err.Error())
	}
}

// err is nil, or one error about all fields.
func (f *fieldErrors) err(message string) error {
	if len(*f) == 0 {
		return nil
	}
	return &api.Error{Code: api.CodeInvalid, Message: strings.TrimSpace(message), Fields: *f}
}

// StatusRow is one row of the table of error codes.
type StatusRow struct {
	Code   api.Code
	Status int
	Title  string
}

// StatusTable lists all error codes with their HTTP status, for the documentation.
func StatusTable() []StatusRow {
	rows := make([]StatusRow, 0, len(statusOf))
	for code, status := range statusOf {
		rows = append(rows, StatusRow{Code: code, Status: status, Title: http.StatusText(status)})
	}
	slices.SortFunc(rows, func(a, b StatusRow) int { return strings.Compare(string(a.Code), string(b.Code)) })
	return rows
}
