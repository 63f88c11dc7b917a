package apiserver

import (
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/coxswain-hpc/coxswain/api"
)

// Measure is a number of another part of the process that /metrics shows.
type Measure struct {
	Name, Help string
	// Counter: it only rises. Otherwise it is a gauge.
	Counter bool
	Value   func() float64
}

func (m Measure) collector() prometheus.Collector {
	if m.Counter {
		return prometheus.NewCounterFunc(prometheus.CounterOpts{Name: m.Name, Help: m.Help}, m.Value)
	}
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: m.Name, Help: m.Help}, m.Value)
}

// metrics are the server's own; docs/metrics.md explains each.
type metrics struct {
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	handler  http.Handler
}

func newMetrics(registry *prometheus.Registry, s *Server) *metrics {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "cox_api_requests_total", Help: "Requests by route, method and status.",
		}, []string{"route", "method", "status"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "cox_api_request_duration_seconds", Help: "Time to answer, by route and method.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, 1, 5},
		}, []string{"route", "method"}),
		handler: promhttp.HandlerFor(registry, promhttp.HandlerOpts{Registry: registry}),
	}
	streams := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "cox_kubelet_streams", Help: "Kubelets whose control stream is on this server.",
	}, func() float64 { return float64(s.streams.count()) })
	lag := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "cox_feed_lag_seconds", Help: "Time since the feed was known to be read to its end.",
	}, func() float64 { return s.hub.Lag().Seconds() })
	registry.MustRegister(m.requests, m.seconds, streams, lag)
	for _, measure := range s.options.Measures {
		registry.MustRegister(measure.collector())
	}
	return m
}

func (s *Server) serveMetrics(w http.ResponseWriter, r *http.Request) error {
	s.metrics.handler.ServeHTTP(w, r)
	return nil
}

// statusWriter remembers the status of an answer.
type statusWriter struct {
	http.ResponseWriter
	status int
}

// WriteHeader implements http.ResponseWriter.
func (w *statusWriter) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController and WebSockets reach the connection.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// statusGone stands in metrics and logs for an answer that nobody waited for any more; nobody gets it.
const statusGone = 499

// measure counts requests and logs them at debug level.
func (s *Server) measure(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sw := &statusWriter{ResponseWriter: w}
		start := s.clock.Boot()
		next.ServeHTTP(sw, r)
		took := s.clock.Boot() - start
		route := chi.RouteContext(r.Context()).RoutePattern()
		if route == "" {
			route = "none"
		}
		status := max(sw.status, http.StatusOK)
		if status >= http.StatusInternalServerError && r.Context().Err() != nil {
			status = statusGone // the caller broke it off: nothing of ours failed
		}
		s.metrics.requests.WithLabelValues(route, r.Method, strconv.Itoa(status)).Inc()
		s.metrics.seconds.WithLabelValues(route, r.Method).Observe(took.Seconds())
		if s.log.Enabled(r.Context(), slog.LevelDebug) {
			s.log.DebugContext(r.Context(), "request", slog.String("method", r.Method), slog.String("path", r.URL.Path),
				slog.Int("status", status), slog.Duration("took", took.Round(time.Microsecond)))
		}
	})
}

// recoverPanic turns a bug in one handler into one failed request.
func (s *Server) recoverPanic(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer s.recovered(w, r)
		next.ServeHTTP(w, r)
	})
}

// recovered answers a request whose handler panicked; it has to be deferred itself.
func (s *Server) recovered(w http.ResponseWriter, r *http.Request) {
	v := recover()
	if v == nil {
		return
	}
	if v == http.ErrAbortHandler { //nolint:errorlint // panics with exactly this value
		panic(v)
	}
	s.log.ErrorContext(r.Context(), "handler panicked", slog.Any("panic", v), slog.String("path", r.URL.Path),
		slog.String("stack", string(debug.Stack())))
	s.writeProblem(w, r, api.Errorf(api.CodeInternal, "an error inside the server; its log has the cause"))
}
