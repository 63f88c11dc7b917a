// Package authz says who may do what: one table, from operation to rule.
//
// Words. An operation is one method on one path, by the name that the OpenAPI document gives it. A
// rule is checked before the operation's handler runs; for RuleOwner the handler asks again, with
// MayChange, once it knows whose object it is.
//
// The package must not look at requests or the store. An operation without a row is refused.
package authz

import (
	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/apiserver/authn"
)

// Rule says who may call an operation.
type Rule string

// The rules.
const (
	RulePublic   Rule = "public"   // anybody, even nobody
	RuleUser     Rule = "user"     // any user; what it shows is not private
	RuleOwner    Rule = "owner"    // a user, and then the object's owner or an admin
	RulePrivate  Rule = "private"  // a user, and then the object's owner alone: not even admins
	RuleAdmin    Rule = "admin"    // admins
	RuleNode     Rule = "node"     // a kubelet, about itself
	RuleServer   Rule = "server"   // another server of this cluster
	RuleJoin     Rule = "join"     // whoever holds a join token, which the handler checks
	RuleObserver Rule = "observer" // admins, and servers of this cluster
)

// table is the one place that decides. The API's own test walks all operations of the server and
// fails for one that has no row here or no case there.
var table = map[string]Rule{
	"submit-job":       RuleUser, // as himself: the owner is filled from the caller
	"list-jobs":        RuleUser, // rows without payloads
	"get-job":          RuleUser,
	"update-job":       RuleOwner,
	"cancel-job":       RuleOwner,
	"hold-job":         RuleOwner,
	"release-job":      RuleOwner,
	"requeue-job":      RuleOwner,
	"signal-job":       RuleOwner,
	"explain-job":      RuleUser,
	"get-job-payload":  RulePrivate,
	"list-job-pods":    RuleUser,
	"attach-job":       RulePrivate,
	"job-logs":         RulePrivate,
	"list-pods":        RuleUser,
	"list-events":      RuleUser,
	"list-nodes":       RuleUser,
	"get-node":         RuleUser,
	"update-node":      RuleAdmin,
	"delete-node":      RuleAdmin,
	"list-accounts":    RuleUser,
	"get-account":      RuleUser,
	"put-account":      RuleAdmin,
	"delete-account":   RuleAdmin,
	"list-users":       RuleUser,
	"get-user":         RuleUser,
	"put-user":         RuleAdmin,
	"delete-user":      RuleAdmin,
	"list-qos":         RuleUser,
	"get-qos":          RuleUser,
	"put-qos":          RuleAdmin,
	"delete-qos":       RuleAdmin,
	"list-partitions":  RuleUser,
	"get-partition":    RuleUser,
	"put-partition":    RuleAdmin,
	"delete-partition": RuleAdmin,
	"create-token":     RuleOwner, // for himself; join tokens and others' are the admins'
	"list-tokens":      RuleOwner, // one's own
	"delete-token":     RuleOwner,
	"whoami":           RuleUser,
	"version":          RulePublic,
	"watch":            RuleUser,
	"join-kubelet":     RuleJoin,
	"renew-kubelet":    RuleNode,
	"kubelet-stream":   RuleNode,
	"kubelet-session":  RuleNode,
	"server-session":   RuleServer,
	"server-explain":   RuleServer,
	"server-feasible":  RuleServer,
	"healthz":          RulePublic,
	"readyz":           RulePublic,
	"openapi":          RulePublic,
	"metrics":          RuleObserver,
}

// RuleOf returns the rule of an operation; false if the table has none.
func RuleOf(operation string) (Rule, bool) {
	rule, ok := table[operation]
	return rule, ok
}

// Operations lists every operation that has a rule.
func Operations() []string {
	names := make([]string, 0, len(table))
	for name := range table {
		names = append(names, name)
	}
	return names
}

// NeedsCaller says whether the operation's rule asks who the caller is.
func NeedsCaller(operation string) bool {
	rule := table[operation]
	return rule != RulePublic && rule != RuleJoin
}

// Check says whether the caller may call the operation at all: nil, or an api.Error.
func Check(operation string, c authn.Caller) error {
	rule, ok := table[operation]
	if !ok {
		return api.Errorf(api.CodeInternal, "operation %s has no rule in the authorisation table", operation)
	}
	if rule == RulePublic || rule == RuleJoin {
		return nil
	}
	if !c.Known() {
		return api.Errorf(api.CodeUnauthenticated, "who are you? this needs a token or the local socket")
	}
	if allowed(rule, c) {
		return nil
	}
	return api.Errorf(api.CodeForbidden, "%s may not do this: %s is for %s", c.Name(), operation,
		audience[rule])
}

var audience = map[Rule]string{
	RuleUser:     "users of the cluster",
	RuleOwner:    "users of the cluster",
	RulePrivate:  "users of the cluster",
	RuleAdmin:    "admins",
	RuleNode:     "kubelets",
	RuleServer:   "servers",
	RuleObserver: "admins and servers",
}

func allowed(rule Rule, c authn.Caller) bool {
	isUser := c.Identity.User != ""
	switch rule {
	case RuleUser, RuleOwner, RulePrivate:
		return isUser
	case RuleAdmin:
		return isUser && c.Admin
	case RuleObserver:
		return isUser && c.Admin || c.Server != ""
	case RuleServer:
		return c.Server != ""
	case RuleNode:
		return c.Node != ""
	case RulePublic, RuleJoin:
		return true
	}
	return false
}

// MayChange says whether the caller may change what belongs to owner: he himself, or an admin.
func MayChange(c authn.Caller, owner, what string) error {
	if c.Admin || c.Identity.User == owner {
		return nil
	}
	return api.Errorf(api.CodeForbidden, "%s belongs to %s; only %s or an admin may change it", what, owner,
		owner)
}

// MayRead says whether the caller may read what is private to owner: he himself alone, since it may
// hold his keys.
func MayRead(c authn.Caller, owner, what string) error {
	if c.Identity.User == owner {
		return nil
	}
	return api.Errorf(api.CodeForbidden, "%s belongs to %s and only %s may read it", what, owner, owner)
}
