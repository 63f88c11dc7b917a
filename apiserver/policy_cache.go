package apiserver

import (
	"context"
	"sync"
	"time"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/apiserver/store"
	"github.com/coxswain-hpc/coxswain/internal/clock"
)

const (
	// policyTTL backs up the feed, which tells the cache of every change within milliseconds.
	policyTTL = 5 * time.Second
	// policyMax bounds each kind in the cache; a full one starts afresh.
	policyMax = 10_000
	// partitionsMax bounds the partitions of a cluster; all of them are read at once.
	partitionsMax = 1000
)

// policyCache keeps the policy rows that every request needs: who the caller is, what his account,
// partition and QOS are. The feed empties it upon any change, so a request pays no query for them.
type policyCache struct {
	store *store.Store
	clock clock.Clock

	mu         sync.Mutex
	version    uint64 // rises with every change: what was read before it is not kept
	users      map[string]entry[api.User]
	accounts   map[string]entry[api.Account]
	qos        map[string]entry[api.QOS]
	tokens     map[string]entry[api.Token]
	partitions map[string]entry[[]api.Partition]
	enrolled   map[string]entry[struct{}]
}

type entry[T any] struct {
	value T
	until time.Duration
}

func newPolicyCache(s *store.Store, c clock.Clock) *policyCache {
	p := &policyCache{store: s, clock: c}
	p.clear()
	return p
}

// clear forgets everything; it is called upon every change of policy.
func (p *policyCache) clear() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.version++
	p.users, p.accounts = map[string]entry[api.User]{}, map[string]entry[api.Account]{}
	p.qos = map[string]entry[api.QOS]{}
	p.tokens, p.partitions = map[string]entry[api.Token]{}, map[string]entry[[]api.Partition]{}
	p.enrolled = map[string]entry[struct{}]{}
}

// touched is called for every page of the feed.
func (p *policyCache) touched(t api.Touched) {
	p.forgetNodes(t.ChangedNodes)
	if len(t.Users)+len(t.Accounts)+len(t.QOS)+len(t.Partitions)+len(t.Tokens) > 0 {
		p.clear()
	}
}

// remembered looks in one map of the cache before it asks the store. The map is picked under the
// lock, since clear replaces it.
func remembered[T any](p *policyCache, pick func() map[string]entry[T], key string, read func() (T, error)) (T, error) {
	p.mu.Lock()
	e, found := pick()[key]
	version := p.version
	p.mu.Unlock()
	if found && p.clock.Boot() < e.until {
		return e.value, nil
	}
	value, err := read()
	if err != nil {
		return value, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if m := pick(); p.version == version {
		if len(m) >= policyMax {
			clear(m)
		}
		m[key] = entry[T]{value: value, until: p.clock.Boot() + policyTTL}
	}
	return value, nil
}

// EnsureUser implements authn.Directory: somebody new becomes a user with the default account.
func (p *policyCache) EnsureUser(ctx context.Context, identity api.Identity) (api.User, error) {
	return remembered(p, func() map[string]entry[api.User] { return p.users }, identity.User,
		func() (api.User, error) {
			return p.store.EnsureUser(ctx, identity)
		})
}

// TokenByHash implements authn.Directory.
func (p *policyCache) TokenByHash(ctx context.Context, hash []byte) (api.Token, error) {
	return remembered(p, func() map[string]entry[api.Token] { return p.tokens }, string(hash),
		func() (api.Token, error) {
			return p.store.TokenByHash(ctx, hash)
		})
}

// forgetNodes forgets that the nodes' certificates are good; they may be deleted.
func (p *policyCache) forgetNodes(names []string) {
	if len(names) == 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.version++
	clear(p.enrolled)
}

// Enrolled implements authn.Directory.
func (p *policyCache) Enrolled(ctx context.Context, node, enrolment string) error {
	_, err := remembered(p, func() map[string]entry[struct{}] { return p.enrolled }, node+"/"+enrolment,
		func() (struct{}, error) { return struct{}{}, p.store.Enrolled(ctx, node, enrolment) })
	return err
}

func (p *policyCache) account(ctx context.Context, name string) (api.Account, error) {
	return remembered(p, func() map[string]entry[api.Account] { return p.accounts }, name,
		func() (api.Account, error) {
			return p.store.GetAccount(ctx, name)
		})
}

func (p *policyCache) qosByName(ctx context.Context, name string) (api.QOS, error) {
	return remembered(p, func() map[string]entry[api.QOS] { return p.qos }, name, func() (api.QOS, error) {
		return p.store.GetQOS(ctx, name)
	})
}

func (p *policyCache) allPartitions(ctx context.Context) ([]api.Partition, error) {
	return remembered(p, func() map[string]entry[[]api.Partition] { return p.partitions }, "",
		func() ([]api.Partition, error) {
			return p.store.ListPartitions(ctx, "", partitionsMax)
		})
}

// partition finds a partition by name, or the default one for the empty name.
func (p *policyCache) partition(ctx context.Context, name string) (api.Partition, error) {
	list, err := p.allPartitions(ctx)
	if err != nil {
		return api.Partition{}, err
	}
	fallback := -1
	for i, part := range list {
		if part.Name == name || name == "" && part.Spec.Default {
			return part, nil
		}
		if part.Name == api.DefaultName {
			fallback = i
		}
	}
	if name == "" && fallback >= 0 {
		return list[fallback], nil
	}
	if name == "" {
		return api.Partition{}, api.Errorf(api.CodeNotFound, "no partition is the default; name one")
	}
	return api.Partition{}, api.Errorf(api.CodeNotFound, "there is no partition %s", name)
}
