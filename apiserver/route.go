package apiserver

import (
	"context"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/apiserver/authn"
	"github.com/coxswain-hpc/coxswain/apiserver/authz"
)

const (
	// bodyMax bounds the body of a request that carries no script.
	bodyMax int64 = 1 << 20
	// bodyTimeout bounds reading a body; it must be longer than any handler, because the deadline
	// stays on the connection until the answer is written.
	bodyTimeout = 2 * time.Minute
	// operationMax bounds a handler: a database that hangs gives no error by itself, and whoever waits
	// is told that it is away.
	operationMax = 30 * time.Second
	// identifyMax bounds finding out who calls.
	identifyMax = 10 * time.Second
)

// reply is an answer with a JSON body.
type reply[T any] struct{ Body T }

// versioned is an answer that says which generation it shows; If-Match takes it back.
type versioned[T any] struct {
	ETag string `header:"ETag"` //nolint:tagliatelle // HTTP's spelling
	Body T
}

// nothing is the input or output of an operation that has none.
type nothing struct{}

func ok[T any](v T, err error) (*reply[T], error) {
	if err != nil {
		return nil, err
	}
	return &reply[T]{Body: v}, nil
}

func okVersion[T any](v T, generation int64, err error) (*versioned[T], error) {
	if err != nil {
		return nil, err
	}
	return &versioned[T]{ETag: strconv.Quote(strconv.FormatInt(generation, 10)), Body: v}, nil
}

// IfMatchHeader is the header of optimistic concurrency.
type IfMatchHeader struct {
	IfMatch string `header:"If-Match" doc:"The generation that the change is meant for, as ETag gave it"`
}

// generation reads the header; 0 stands for any.
func (m IfMatchHeader) generation() (int64, error) {
	text := strings.Trim(m.IfMatch, `"`)
	if text == "" || text == "*" {
		return 0, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 1 {
		return 0, api.Errorf(api.CodeInvalid, "If-Match must be a generation, not %q", m.IfMatch)
	}
	return n, nil
}

// operation names a route: the id is the one of the authorisation table and the OpenAPI document.
func operation(id, method, path, summary string) huma.Operation {
	noun, _, _ := strings.Cut(strings.TrimPrefix(path, "/v1/"), "/")
	return huma.Operation{
		OperationID: id, Method: method, Path: path, Summary: summary, Tags: []string{noun},
		MaxBodyBytes: bodyMax, BodyReadTimeout: bodyTimeout, SkipValidateBody: true,
	}
}

// handle registers an operation: authorised by the table, its errors turned into problems.
func handle[I, O any](s *Server, op huma.Operation, do func(context.Context, *I) (*O, error)) {
	in, hasBody := any(new(I)).(interface{ bodyType() reflect.Type })
	if hasBody {
		op.RequestBody = &huma.RequestBody{}
	}
	op.Middlewares = huma.Middlewares{s.authorise(op.OperationID)}
	huma.Register(s.huma, op, func(ctx context.Context, in *I) (*O, error) {
		ctx, cancel := context.WithTimeout(ctx, operationMax)
		defer cancel()
		out, err := do(ctx, in)
		if err != nil {
			p := problemOf(err)
			s.logProblem(ctx, op.OperationID, p, err)
			return nil, p
		}
		return out, nil
	})
	if hasBody {
		schema := s.huma.OpenAPI().Components.Schemas.Schema(in.bodyType(), true, "")
		op.RequestBody.Content["application/json"].Schema = schema
		_, optional := any(in).(interface{ optional() })
		op.RequestBody.Required = !optional
	}
}

// authorise checks the caller before anything of the request is read.
func (s *Server) authorise(operation string) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		if err := check(ctx.Context(), operation); err != nil {
			r, w := humachi.Unwrap(ctx)
			s.writeProblem(w, r, err)
			return
		}
		next(ctx)
	}
}

// check authorises the caller of a request for an operation.
func check(ctx context.Context, operation string) error {
	if authz.NeedsCaller(operation) {
		if err := authErrorOf(ctx); err != nil {
			return err
		}
	}
	return authz.Check(operation, authn.CallerOf(ctx))
}

type authErrorKey struct{}

func authErrorOf(ctx context.Context) error {
	err, _ := ctx.Value(authErrorKey{}).(error)
	return err
}

// identify finds the caller once per request. A bad proof is held against the request only where the
// operation asks who the caller is.
func (s *Server) identify(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := r.Context()
		bounded, cancel := context.WithTimeout(ctx, identifyMax)
		caller, err := s.authn.Authenticate(r.WithContext(bounded))
		cancel()
		if err != nil {
			ctx = context.WithValue(ctx, authErrorKey{}, err)
		} else {
			ctx = authn.WithCaller(ctx, caller)
		}
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// raw is a route that huma does not serve (sockets, streams of events), with the same authorisation.
func (s *Server) raw(operation string, do func(w http.ResponseWriter, r *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		err := check(r.Context(), operation)
		if err == nil {
			err = do(w, r)
		}
		if err != nil {
			s.writeProblem(w, r, err)
		}
	}
}
