package apiserver

import (
	"context"
	"net/http"
	"time"

	"github.com/coxswain-hpc/coxswain/api"
)

// noun is how the API serves one of the nouns that admins keep by name: N the object, S its spec.
type noun[N, S any] struct {
	// singular and plural are the words in operation ids and paths.
	singular, plural string
	get              func(ctx context.Context, name string) (N, error)
	list             func(ctx context.Context, after string, limit int) ([]N, error)
	put              func(ctx context.Context, name string, generation int64, spec S, at time.Time) (N, error)
	remove           func(ctx context.Context, name string, now time.Time) error
	// nameOf and generationOf read the object; check finds what is wrong with a spec.
	nameOf       func(N) string
	generationOf func(N) int64
	check        func(ctx context.Context, name string, spec S, wrong *fieldErrors) error
	// keepDefault: the object named default can't be deleted, since new users and jobs need it.
	keepDefault bool
}

type nounPut[S any] struct {
	NamePath
	IfMatchHeader
	body[S]
}

func nounOperations[N, S any](s *Server, n noun[N, S]) {
	path := "/v1/" + n.plural
	handle(s, operation("list-"+n.plural, http.MethodGet, path, "List "+n.plural+" by name"),
		func(ctx context.Context, in *Paging) (*reply[page[N]], error) {
			items, err := n.list(ctx, in.Page, in.limit())
			return okPage(items, nextName(items, in.limit(), n.nameOf), err)
		})
	handle(s, operation("get-"+n.singular, http.MethodGet, path+"/{name}", "Read one of the "+n.plural),
		func(ctx context.Context, in *NamePath) (*versioned[N], error) {
			return n.version(n.get(ctx, in.Name))
		})
	handle(s,
		operation("put-"+n.singular, http.MethodPut, path+"/{name}", "Make or replace one of the "+n.plural),
		func(ctx context.Context, in *nounPut[S]) (*versioned[N], error) { return putNoun(ctx, s, n, in) })
	handle(s,
		operation("delete-"+n.singular, http.MethodDelete, path+"/{name}", "Delete one of the "+n.plural),
		func(ctx context.Context, in *NamePath) (*nothing, error) { return deleteNoun(ctx, s, n, in.Name) })
}

func (n noun[N, S]) version(object N, err error) (*versioned[N], error) {
	return okVersion(object, n.generationOf(object), err)
}

func putNoun[N, S any](ctx context.Context, s *Server, n noun[N, S], in *nounPut[S]) (*versioned[N], error) {
	spec, err := in.decode()
	if err != nil {
		return nil, err
	}
	generation, err := in.generation()
	if err != nil {
		return nil, err
	}
	var wrong fieldErrors
	checkName("name", in.Name, &wrong)
	if err := n.check(ctx, in.Name, spec, &wrong); err != nil {
		return nil, err
	}
	if err := wrong.err("the " + n.singular + " can't be stored so"); err != nil {
		return nil, err
	}
	object, err := n.put(ctx, in.Name, generation, spec, s.clock.Now())
	s.policy.clear()
	return n.version(object, err)
}

func deleteNoun[N, S any](ctx context.Context, s *Server, n noun[N, S], name string) (*nothing, error) {
	if n.keepDefault && name == api.DefaultName {
		return nil, api.Errorf(api.CodeInvalid, "the %s %s can't be deleted: what names none takes it",
			n.singular, name)
	}
	err := n.remove(ctx, name, s.clock.Now())
	s.policy.clear()
	return done(err)
}
