// Package nss answers who a Unix user is: name, ids, groups, home and shell, as the machine's name
// service knows them.
//
// The answers come from getent(1), never from package os/user: a program built without cgo would
// read /etc/passwd alone and miss every user of LDAP, SSSD or extrausers. Each question is one
// short-lived process with a deadline; answers are cached for a short time, also the answer that
// nobody has that name. A name service that is down or slow is api.CodeUnavailable, which must
// never be taken for "no such user" (api.CodeNotFound).
package nss

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/internal/clock"
)

const (
	// timeoutDefault bounds one question; a healthy LDAP answers within milliseconds.
	timeoutDefault = 10 * time.Second
	// ttlDefault is how long an answer is believed; ttlMissing how long "nobody" is, shorter since
	// an admin who has just made the user tries again at once.
	ttlDefault = time.Minute
	ttlMissing = 3 * time.Second
	// cacheMax bounds the cache; when it is full it starts afresh.
	cacheMax = 10_000
	// groupsMax bounds a user's groups, as the kernel does (NGROUPS_MAX).
	groupsMax = 65_536
)

// Lookup asks the name service. The zero value is ready to use; it is safe for concurrent use and
// must not be copied after first use.
type Lookup struct {
	// Getent is the program; empty means "getent" on PATH.
	Getent string
	// Timeout bounds one question, TTL the age of a cached answer. Zero means 10 s and 1 min.
	Timeout time.Duration
	TTL     time.Duration
	// Clock tells the age of answers; nil is the machine's clock.
	Clock clock.Clock

	flight singleflight.Group
	mu     sync.Mutex
	cache  map[string]answer
}

type answer struct {
	identity api.Identity
	err      error
	until    time.Duration
}

// ByUID returns the identity of a uid. It fails with api.CodeNotFound when no user has it and with
// api.CodeUnavailable when the name service gives no answer.
func (l *Lookup) ByUID(ctx context.Context, uid int64) (api.Identity, error) {
	if uid < 0 {
		return api.Identity{}, api.Errorf(api.CodeInvalid, "%d is no user id", uid)
	}
	return l.cached(ctx, strconv.FormatInt(uid, 10), fmt.Sprintf("uid %d", uid))
}

// ByName returns the identity of a user name, with the errors of ByUID.
func (l *Lookup) ByName(ctx context.Context, name string) (api.Identity, error) {
	if !nameOK(name) {
		return api.Identity{}, api.Errorf(api.CodeInvalid, "%q can't be the name of a Unix user", name)
	}
	return l.cached(ctx, name, "user "+name)
}

// nameOK refuses what getent would take for something else: an option, a number, another field.
func nameOK(name string) bool {
	if name == "" || len(name) > 256 || name[0] == '-' || strings.ContainsAny(name, ": \t\n/\x00") {
		return false
	}
	_, err := strconv.ParseUint(name, 10, 64)
	return err != nil
}

func (l *Lookup) cached(ctx context.Context, key, what string) (api.Identity, error) {
	if a, ok := l.recall(key); ok {
		return a.identity, a.err
	}
	// The question outlives a caller who gives up: others may wait for the same answer.
	ch := l.flight.DoChan(key, func() (any, error) {
		identity, err := l.ask(context.WithoutCancel(ctx), key, what)
		l.remember(key, identity, err)
		return identity, err
	})
	select {
	case r := <-ch:
		identity, _ := r.Val.(api.Identity)
		return identity, r.Err
	case <-ctx.Done():
		return api.Identity{}, api.Errorf(api.CodeUnavailable, "look up %s: %w", what, context.Cause(ctx))
	}
}

func (l *Lookup) recall(key string) (answer, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	a, ok := l.cache[key]
	return a, ok && l.clock().Boot() < a.until
}

// remember keeps answers, not failures to get one.
func (l *Lookup) remember(key string, identity api.Identity, err error) {
	ttl := l.TTL
	if ttl == 0 {
		ttl = ttlDefault
	}
	if err != nil {
		if api.CodeOf(err) != api.CodeNotFound {
			return
		}
		ttl = min(ttl, ttlMissing)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cache == nil || len(l.cache) >= cacheMax {
		l.cache = map[string]answer{}
	}
	l.cache[key] = answer{identity: identity, err: err, until: l.clock().Boot() + ttl}
}

func (l *Lookup) clock() clock.Clock {
	if l.Clock == nil {
		return clock.Real{}
	}
	return l.Clock
}

func (l *Lookup) timeout() time.Duration {
	if l.Timeout == 0 {
		return timeoutDefault
	}
	return l.Timeout
}
