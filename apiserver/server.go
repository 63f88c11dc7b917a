// Package apiserver is the API: REST under /v1, the watch stream, the kubelets' control streams, and
// the sessions that lead from a user to a pod.
//
// Words. A handler decodes, authorises and validates a request and calls the store; it keeps nothing
// between requests. An operation is one method on one path, known by its id in the OpenAPI document
// and in the table of package authz. A problem is an error on the wire (RFC 9457) with a stable code.
// A session leads frames between a user's socket and one that the kubelet dials for it.
//
// The package places no pod and judges no policy: it must not import the scheduler. It serves a TLS
// listener and a Unix socket, never plain TCP.
package apiserver

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net/http"
	"os"
	"sync/atomic"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"
	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/apiserver/authn"
	"github.com/coxswain-hpc/coxswain/apiserver/authority"
	"github.com/coxswain-hpc/coxswain/apiserver/store"
	"github.com/coxswain-hpc/coxswain/apiserver/watch"
	"github.com/coxswain-hpc/coxswain/internal/clock"
	"github.com/coxswain-hpc/coxswain/internal/nss"
)

// Explainer answers why an instance waits, runs or ended; the leader does.
type Explainer interface {
	Explain(ctx context.Context, id api.JobID, index int64) (api.Explanation, error)
}

// FeasibilityChecker says whether some node of today could ever run a job: nil, or an error with
// api.CodeImpossible that names the nearest node's numbers.
type FeasibilityChecker interface {
	CheckFeasible(ctx context.Context, spec api.JobSpec) error
}

// Options say what a server works with.
type Options struct {
	// Store is the durable state. Needed.
	Store *store.Store
	// Explainer and Feasibility are the scheduler's side; nil answers why with what is stored, and
	// checks nothing at submit.
	Explainer   Explainer
	Feasibility FeasibilityChecker
	// Authority signs kubelets' certificates; nil serves the local socket alone.
	Authority *authority.Authority
	// Names is the name service; nil is the machine's.
	Names authn.Names
	// Clock and Logger default to the machine's clock and slog.Default.
	Clock  clock.Clock
	Logger *slog.Logger
	// Metrics is where the server's metrics are registered; nil makes a registry.
	Metrics *prometheus.Registry
	// Measures are the numbers of other parts of the process that /metrics shows too.
	Measures []Measure
	// ClusterName, ServerID and Version say which cluster, server and program this is.
	ClusterName string
	ServerID    string
	Version     string
	// URL is where others reach this server (https://host:port); empty is the listener's address.
	URL string
	// Leading says whether this server's loop leads, for /v1/version; nil never does.
	Leading func() bool
	// MailReady says why the mails of jobs can't be sent from here; nil: nothing is known of that.
	MailReady func() error
	// AllowRootJobs accepts jobs that run as uid 0.
	AllowRootJobs bool
	// ServerUID is the uid that counts as an admin beside 0; nil is the process's own.
	ServerUID *int64
}

// WithDefaults returns the options with every unset field filled that has a default.
func (o Options) WithDefaults() Options {
	if o.Clock == nil {
		o.Clock = clock.Real{}
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Names == nil {
		o.Names = &nss.Lookup{Clock: o.Clock}
	}
	if o.Metrics == nil {
		o.Metrics = prometheus.NewRegistry()
	}
	if o.Leading == nil {
		o.Leading = func() bool { return false }
	}
	if o.ServerUID == nil {
		uid := int64(os.Getuid())
		o.ServerUID = &uid
	}
	return o
}

// Server is the API server. Make it with New; Run or Serve it once.
type Server struct {
	options  Options
	store    *store.Store
	clock    clock.Clock
	log      *slog.Logger
	authn    *authn.Authenticator
	policy   *policyCache
	hub      *watch.Hub
	streams  *streamRouter
	renewals *renewals
	sessions *sessionBroker
	metrics  *metrics
	// peers dials other servers as this one; nil without a TLS listener.
	peers  atomic.Pointer[http.Client]
	leader leaderPlace
	roster roster
	random func([]byte) (int, error)
	// url is where this server is reached over the network; nil without a TLS listener.
	url atomic.Pointer[string]
	// life ends with Run: streams, watchers and sessions end with it.
	life    context.Context //nolint:containedctx // it ends with the server, not with a request
	endLife context.CancelFunc
	// following is closed once Run follows the feed for the first time.
	following chan struct{}
	router    chi.Router
	huma      huma.API
}

// New returns a server that does not run yet.
func New(o Options) (*Server, error) {
	if o.Store == nil {
		return nil, api.Errorf(api.CodeInternal, "the API server needs a store")
	}
	o = o.WithDefaults()
	s := build(o)
	s.hub = watch.New(feedSource{o.Store}, o.Clock, s.log)
	s.metrics = newMetrics(o.Metrics, s)
	return s, nil
}

// build wires a server and its routes; the OpenAPI document needs no more.
func build(o Options) *Server {
	s := &Server{
		options: o, store: o.Store, clock: o.Clock, log: o.Logger.With(slog.String("component", "apiserver")),
		random: rand.Read,
	}
	s.life, s.endLife = context.WithCancel(context.Background()) //nolint:forbidigo // Run ends it
	s.following = make(chan struct{})
	s.policy = newPolicyCache(s.store, s.clock)
	s.authn = &authn.Authenticator{Names: o.Names, Directory: s.policy, Clock: o.Clock, ServerUID: *o.ServerUID}
	s.streams = newStreamRouter(s)
	s.renewals = newRenewals(s.store)
	s.sessions = newSessionBroker(s)
	s.routes()
	return s
}

// OpenAPI is the document that describes the API; it needs no store.
func OpenAPI() *huma.OpenAPI { return build(Options{}.WithDefaults()).huma.OpenAPI() }

// Handler serves every route. Whoever mounts it runs Run beside it.
func (s *Server) Handler() http.Handler { return s.router }

func (s *Server) routes() {
	installProblems()
	s.router = chi.NewRouter()
	s.router.Use(s.recoverPanic, s.measure)
	s.router.NotFound(func(w http.ResponseWriter, r *http.Request) {
		s.writeProblem(w, r, api.Errorf(api.CodeNotFound,
			"there is nothing at %s; /openapi.json lists what there is", r.URL.Path))
	})
	s.router.MethodNotAllowed(func(w http.ResponseWriter, r *http.Request) {
		s.writeProblem(w, r, api.Errorf(api.CodeNotFound, "%s does not take %s", r.URL.Path, r.Method))
	})
	s.router.Get("/healthz", s.raw("healthz", s.healthz))
	s.router.Get("/readyz", s.raw("readyz", s.readyz))
	s.router.Get("/openapi.json", s.raw("openapi", s.openapi))
	s.router.Group(func(r chi.Router) {
		r.Use(s.identify)
		r.Get("/metrics", s.raw("metrics", s.serveMetrics))
		r.Get("/v1/watch", s.raw("watch", s.watch))
		r.Get("/v1/jobs/{id}/attach", s.raw("attach-job", s.attach))
		r.Get("/v1/jobs/{id}/logs", s.raw("job-logs", s.logs))
		r.Get("/v1/servers/sessions", s.raw("server-session", s.serverSession))
		r.Get("/v1/kubelets/stream", s.raw("kubelet-stream", s.kubeletStream))
		r.Get("/v1/kubelets/sessions/{id}", s.raw("kubelet-session", s.kubeletSession))
		s.huma = humachi.New(r, humaConfig())
		s.operations()
	})
	documentRaw(s.huma.OpenAPI())
}

// operations registers what huma serves, a file a noun.
func (s *Server) operations() {
	s.jobOperations()
	s.jobChangeOperations()
	s.podOperations()
	s.eventOperations()
	s.nodeOperations()
	s.accountOperations()
	s.userOperations()
	s.qosOperations()
	s.partitionOperations()
	s.tokenOperations()
	s.kubeletOperations()
	s.identityOperations()
	s.serverOperations()
}
