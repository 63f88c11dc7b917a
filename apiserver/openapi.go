package apiserver

import (
	"io"
	"net/http"
	"reflect"

	"github.com/danielgtaylor/huma/v2"

	"github.com/coxswain-hpc/coxswain/api"
)

func humaConfig() huma.Config {
	registry := huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer)
	// Sets of ordinals travel as text ("0-4,7"), which their Go type doesn't tell.
	registry.RegisterTypeAlias(reflect.TypeFor[api.Ranges](), reflect.TypeFor[string]())
	format := huma.Format{Marshal: writeJSON, Unmarshal: decodeStrict}
	config := huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info: &huma.Info{
				Title:       "Coxswain",
				Version:     "v1",
				Description: "The API of a Coxswain cluster. Errors are RFC 9457 problem details with a stable code.",
			},
			Components: &huma.Components{Schemas: registry},
		},
		Formats: map[string]huma.Format{
			"application/json": format,
			"json":             format, // for problem+json
		},
		DefaultFormat: "application/json",
	}
	config.FieldsOptionalByDefault = true
	return config
}

// documentRaw adds the routes that huma does not serve to the document.
func documentRaw(doc *huma.OpenAPI) {
	for _, r := range []struct{ id, path, summary string }{
		{"healthz", "/healthz", "The process answers"},
		{"readyz", "/readyz", "The server and its database serve"},
		{"openapi", "/openapi.json", "This document"},
		{"metrics", "/metrics", "Metrics in Prometheus' text format"},
		{"watch", "/v1/watch", "Follow changes (server-sent events); kinds, ids and cursor choose"},
		{"attach-job", "/v1/jobs/{id}/attach", "WebSocket to the standard streams of an attached job (SessionFrame)"},
		{"job-logs", "/v1/jobs/{id}/logs", "WebSocket that reads an output file (SessionFrame)"},
		{"kubelet-stream", "/v1/kubelets/stream", "WebSocket: the control stream of a kubelet"},
		{
			"server-session", "/v1/servers/sessions",
			"WebSocket between servers: a session with a node whose stream is there",
		},
		{
			"kubelet-session", "/v1/kubelets/sessions/{id}",
			"WebSocket: a kubelet serves a session that it was asked for",
		},
	} {
		doc.AddOperation(&huma.Operation{
			OperationID: r.id, Method: http.MethodGet, Path: r.path, Summary: r.summary,
			Responses: map[string]*huma.Response{"default": {Description: "see the summary"}},
		})
	}
}

func (s *Server) openapi(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Content-Type", "application/openapi+json")
	return writeJSON(w, s.huma.OpenAPI())
}

// WriteOpenAPI writes the document as it is committed in api/openapi.json.
func WriteOpenAPI(w io.Writer) error { return writeIndented(w, OpenAPI()) }
