package kubelet

import (
	"crypto/rand"
	"encoding/binary"
	"log/slog"
	mathrand "math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/internal/clock"
	"github.com/coxswain-hpc/coxswain/internal/nss"
	"github.com/coxswain-hpc/coxswain/kubelet/runtime"
	"github.com/coxswain-hpc/coxswain/kubelet/step"
)

// Defaults and bounds of the agent.
const (
	// uidFloorDefault keeps system accounts out, as Debian draws the line.
	uidFloorDefault = 1000
	// namesBelieved is how long an answer about a uid is believed: asking takes two processes, which a
	// user's start should not wait for every minute, and uids are not handed on in between.
	namesBelieved = 10 * time.Minute
	// startsMax is how many pods are prepared and started at once: forks wait for each other anyway.
	startsMax = 16
	// cleanupsMax is how many ended pods are cleaned up at once.
	cleanupsMax = 8
	// templatesMax bounds the templates that are kept while no pod here needs them.
	templatesMax = 64
)

// Options say how a kubelet runs. Node, StateDir and either Dialer or Endpoints must be set.
type Options struct {
	// Node is the node's name in the cluster. Default: the machine's host name.
	Node string
	// StateDir holds everything of this kubelet. Every user must be able to pass through it and the
	// directories above it, since the spool is inside; what is private in it is closed off.
	StateDir string
	// ScratchDir is where the pods' temporary directories go, into a directory of the node's own: others
	// may use ScratchDir too. Default: StateDir/scratch, all ours.
	ScratchDir string
	// Endpoints are servers, https://host:port, tried in turn.
	Endpoints []string
	// JoinToken is used once, while StateDir holds no certificate.
	JoinToken string
	// Reserved is kept back for the system, Capacity lowers what is offered; zero fields do nothing.
	Reserved api.Resources
	Capacity api.Resources
	// UIDFloor is the lowest uid that pods may run as. Default 1000; negative allows every uid, root's
	// too.
	UIDFloor int64
	// CgroupRoot is our directory in each cgroup hierarchy. Default cox.
	CgroupRoot string
	// Version is the program's version.
	Version string

	Clock  clock.Clock
	Logger *slog.Logger
	// Rand gives the jitter of reconnects. Default: seeded by the machine.
	Rand *mathrand.Rand

	// Names, Runtime, Steps and Dialer replace the real ones, for tests.
	Names   step.Names
	Runtime runtime.Runtime
	Steps   step.List
	Dialer  Dialer
	// Shim is the path of a cox-shim program. Default: the embedded one.
	Shim string
}

// WithDefaults returns the options with every unset field filled.
func (o Options) WithDefaults() Options {
	if o.Node == "" {
		o.Node, _ = os.Hostname() // Validate catches an empty name
	}
	if o.UIDFloor == 0 {
		o.UIDFloor = uidFloorDefault
	}
	if o.Clock == nil {
		o.Clock = clock.Real{}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Names == nil {
		o.Names = &nss.Lookup{Clock: o.Clock, TTL: namesBelieved}
	}
	if o.Rand == nil {
		o.Rand = mathrand.New(mathrand.NewPCG(seed(), seed()))
	}
	return o
}

func seed() uint64 {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return binary.LittleEndian.Uint64(b[:])
}

// Validate reports the first option that can't work.
func (o Options) Validate() error {
	switch {
	case o.Node == "":
		return api.Errorf(api.CodeInvalid, "the node has no name; give one with --node")
	case !filepath.IsAbs(o.StateDir):
		return api.Errorf(api.CodeInvalid, "the state directory %q is not absolute", o.StateDir)
	case len(o.Endpoints) == 0 && o.Dialer == nil:
		return api.Errorf(api.CodeInvalid, "no server is named; give one with --server https://host:port")
	}
	return nil
}
