package step

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/kubelet/shim/shimapi"
)

// Names asks the machine's name service (internal/nss).
type Names interface {
	// ByUID fails with api.CodeNotFound for an unknown uid, and with api.CodeUnavailable while the
	// name service gives no answer.
	ByUID(ctx context.Context, uid int64) (api.Identity, error)
}

// nameServiceRetry is how long a start waits for a name service that is down.
const nameServiceRetry = 5 * time.Second

// Identity checks that the node knows the pod's uid as the same user as the server does. Two
// machines that disagree would hand one person's files to another.
type Identity struct {
	Names Names
	Floor int64
	Self  int
}

// Name implements Step.
func (Identity) Name() string { return "identity" }

// Prepare implements Step.
func (s Identity) Prepare(ctx context.Context, p *Pod) error {
	owner := p.Template.Spec.Owner
	if err := s.allowed(owner); err != nil {
		return err
	}
	known, err := s.Names.ByUID(ctx, owner.UID)
	switch {
	case api.CodeOf(err) == api.CodeNotFound:
		return mismatch("this node knows no user with uid %d (the server says %s)", owner.UID, owner.User)
	case err != nil:
		return &Delay{Reason: api.ReasonNameService, Message: err.Error(), After: nameServiceRetry}
	case known.User != owner.User:
		return mismatch("this node knows uid %d as %s, the server as %s", owner.UID, known.User, owner.User)
	case !s.mayJoin(owner.GID, known):
		return mismatch("this node lets nobody into groups below %d that it does not know him in, and %s has group %d",
			s.Floor, owner.User, owner.GID)
	}
	owner.Groups = slices.DeleteFunc(slices.Clone(owner.Groups), func(gid int64) bool { return !s.mayJoin(gid, known) })
	if owner.Home == "" {
		owner.Home = known.Home
	}
	if owner.Shell == "" {
		owner.Shell = known.Shell
	}
	p.Owner = owner
	p.Spec.User = User(owner)
	return nil
}

// mayJoin keeps users out of the machine's own groups (disk, shadow, docker), whatever the server says:
// their numbers mean something else on each machine, and some are as good as root. What this node itself
// says of the user holds.
func (s Identity) mayJoin(gid int64, known api.Identity) bool {
	return gid >= s.Floor || gid == known.GID || slices.Contains(known.Groups, gid)
}

func (s Identity) allowed(owner api.Identity) error {
	switch {
	case owner.UID < 0 || owner.UID >= math.MaxUint32 || owner.GID < 0 || owner.GID >= math.MaxUint32:
		return mismatch("uid %d and gid %d are no ids of a user", owner.UID, owner.GID)
	case s.Self != 0 && owner.UID != int64(s.Self):
		return mismatch("this node's kubelet runs as uid %d without root's rights and can't run pods of %s",
			s.Self, owner.User)
	case s.Self == 0 && owner.UID < s.Floor:
		return mismatch("this node runs no pods of uids below %d, and %s has %d", s.Floor, owner.User, owner.UID)
	}
	return nil
}

func mismatch(format string, args ...any) *Failure {
	return &Failure{State: api.PodRefused, Reason: api.ReasonIdentity, Message: fmt.Sprintf(format, args...)}
}

// User is an identity in the words of a spec.
func User(owner api.Identity) *shimapi.User {
	u := &shimapi.User{UID: uint32(owner.UID), GID: uint32(owner.GID)} // in range, see allowed
	for _, g := range owner.Groups {
		if g >= 0 && g < math.MaxUint32 {
			u.Groups = append(u.Groups, uint32(g))
		}
	}
	return u
}

// Cleanup implements Step: there is nothing to undo.
func (Identity) Cleanup(context.Context, api.PodAssignment) error { return nil }
