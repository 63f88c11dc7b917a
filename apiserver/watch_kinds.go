package apiserver

import (
	"context"
	"strconv"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/apiserver/authn"
	"github.com/coxswain-hpc/coxswain/apiserver/store"
)

// touchedID is one touched object; owner is the job of a pod.
type touchedID struct{ id, owner string }

// watchKind is how one kind of object is watched.
type watchKind struct {
	kind    api.Kind
	touched func(api.Touched) []touchedID
	// load reads the current objects of a page by id; those that are gone are missing.
	load func(context.Context, *Server, api.Touched) (map[string]any, error)
	// admins alone may watch it.
	admins bool
}

var watchKinds = []watchKind{
	{kind: api.KindJob, load: loadJobs, touched: func(t api.Touched) []touchedID {
		return idsOf(t.Jobs, func(id api.JobID) touchedID { return touchedID{id: id.String()} })
	}},
	{kind: api.KindPod, load: loadPods, touched: func(t api.Touched) []touchedID {
		return idsOf(t.Pods,
			func(k api.PodKey) touchedID { return touchedID{id: k.String(), owner: k.Owner.String()} })
	}},
	{
		kind: api.KindNode, touched: named(func(t api.Touched) []string { return t.ChangedNodes }),
		load: loadNamed(func(t api.Touched) []string { return t.ChangedNodes }, (*store.Store).GetNode),
	},
	{
		kind: api.KindAccount, touched: named(func(t api.Touched) []string { return t.Accounts }),
		load: loadNamed(func(t api.Touched) []string { return t.Accounts }, (*store.Store).GetAccount),
	},
	{
		kind: api.KindUser, touched: named(func(t api.Touched) []string { return t.Users }),
		load: loadNamed(func(t api.Touched) []string { return t.Users }, (*store.Store).GetUser),
	},
	{
		kind: api.KindQOS, touched: named(func(t api.Touched) []string { return t.QOS }),
		load: loadNamed(func(t api.Touched) []string { return t.QOS }, (*store.Store).GetQOS),
	},
	{
		kind: api.KindPartition, touched: named(func(t api.Touched) []string { return t.Partitions }),
		load: loadNamed(func(t api.Touched) []string { return t.Partitions }, (*store.Store).GetPartition),
	},
	{
		kind: api.KindToken, touched: named(func(t api.Touched) []string { return t.Tokens }), admins: true,
		load: loadNamed(func(t api.Touched) []string { return t.Tokens }, (*store.Store).GetToken),
	},
}

// watchKinds finds the kinds that a request names; none named means jobs.
func (s *Server) watchKinds(caller authn.Caller, text string) ([]watchKind, error) {
	words := splitList(text)
	if len(words) == 0 {
		words = []string{string(api.KindJob)}
	}
	var out []watchKind
	for _, word := range words {
		found := false
		for _, k := range watchKinds {
			if string(k.kind) != word {
				continue
			}
			if k.admins && !caller.Admin {
				return nil, api.Errorf(api.CodeForbidden, "only admins may watch %ss", word)
			}
			out, found = append(out, k), true
		}
		if !found {
			return nil, api.Errorf(api.CodeInvalid, "%s is no kind of object that can be watched",
				strconv.Quote(word))
		}
	}
	return out, nil
}

func idsOf[T any](list []T, id func(T) touchedID) []touchedID {
	out := make([]touchedID, len(list))
	for i, v := range list {
		out[i] = id(v)
	}
	return out
}

func named(names func(api.Touched) []string) func(api.Touched) []touchedID {
	return func(t api.Touched) []touchedID {
		return idsOf(names(t), func(name string) touchedID { return touchedID{id: name} })
	}
}

// chunks calls f with parts of at most size.
func chunks[T any](list []T, size int, f func([]T) error) error {
	for len(list) > 0 {
		n := min(len(list), size)
		if err := f(list[:n]); err != nil {
			return err
		}
		list = list[n:]
	}
	return nil
}

// jobsByID reads jobs by number; those that don't exist are missing.
func (s *Server) jobsByID(ctx context.Context, ids []api.JobID) (map[api.JobID]api.Job, error) {
	out := make(map[api.JobID]api.Job, len(ids))
	err := chunks(ids, pageMax, func(part []api.JobID) error {
		jobs, _, err := s.store.ListJobs(ctx, store.JobFilter{IDs: part, Limit: len(part)})
		for _, j := range jobs {
			out[j.ID] = j
		}
		return err
	})
	return out, err
}

func loadJobs(ctx context.Context, s *Server, t api.Touched) (map[string]any, error) {
	jobs, err := s.jobsByID(ctx, t.Jobs)
	out := make(map[string]any, len(jobs))
	for id, j := range jobs {
		out[id.String()] = j
	}
	return out, err
}

func loadPods(ctx context.Context, s *Server, t api.Touched) (map[string]any, error) {
	out := make(map[string]any, len(t.Pods))
	err := chunks(t.Pods, pageMax, func(part []api.PodKey) error {
		pods, err := s.store.PodsByKeys(ctx, part)
		for _, p := range pods {
			out[p.Key.String()] = p
		}
		return err
	})
	return out, err
}

// loadNamed reads nouns by name, one by one: they change seldom.
func loadNamed[T any](
	names func(api.Touched) []string, get func(*store.Store, context.Context, string) (T, error),
) func(context.Context, *Server, api.Touched) (map[string]any, error) {
	return func(ctx context.Context, s *Server, t api.Touched) (map[string]any, error) {
		out := map[string]any{}
		for _, name := range names(t) {
			v, err := get(s.store, ctx, name)
			if api.CodeOf(err) == api.CodeNotFound {
				continue
			}
			if err != nil {
				return nil, err
			}
			out[name] = v
		}
		return out, nil
	}
}
