package stream

import (
	"context"
	"fmt"
	"strings"

	"github.com/coxswain-hpc/coxswain/api"
)

// Receive stores what a message says and returns the answers. An error ends the stream; the kubelet
// then repeats what was not acknowledged on its next one.
func (s *Session) Receive(ctx context.Context, m api.KubeletMessage) ([]api.ServerMessage, error) {
	if !s.opened {
		return nil, api.Errorf(api.CodeInvalid, "the first message of a stream must be a hello")
	}
	switch {
	case m.Renew != nil:
		return s.renew(ctx, *m.Renew)
	case m.Report != nil:
		return s.report(ctx, *m.Report)
	case m.Fetch != nil:
		return s.fetch(ctx, *m.Fetch)
	case len(m.Signals) > 0:
		return nil, s.signalResults(ctx, m.Signals)
	case m.Node != nil:
		if err := s.store.UpdateNodeStatus(ctx, s.node, *m.Node); err != nil {
			return nil, fmt.Errorf("store the status of node %s: %w", s.node, err)
		}
		return nil, nil
	case m.Hello != nil:
		return nil, api.Errorf(api.CodeInvalid, "a stream has one hello")
	}
	return nil, nil // a message of a newer protocol
}

func (s *Session) renew(ctx context.Context, r api.KubeletRenew) ([]api.ServerMessage, error) {
	lease := api.Lease{Node: s.node, BootID: r.BootID, Seq: r.Seq}
	if err := s.store.RenewLeases(ctx, []api.Lease{lease}); err != nil {
		return nil, fmt.Errorf("renew the lease of node %s: %w", s.node, err)
	}
	return []api.ServerMessage{{RenewAck: r.Seq}}, nil
}

func (s *Session) report(ctx context.Context, r api.KubeletReport) ([]api.ServerMessage, error) {
	if len(r.Pods) > reportsMax {
		return nil, api.Errorf(api.CodeLimit, "a report of %d pods is over the limit of %d", len(r.Pods),
			reportsMax)
	}
	stale, err := s.store.ApplyReports(ctx, s.node, r.Pods, s.now())
	if err != nil {
		return nil, fmt.Errorf("store a report of node %s: %w", s.node, err)
	}
	return []api.ServerMessage{{ReportAck: r.Seq, Stale: stale}}, nil
}

// fetch answers with one template a message; those that are gone are left out, and the kubelet gives
// up on their pods by itself. A template holds its owner's environment, perhaps with keys: a node gets
// those of its own pods alone.
func (s *Session) fetch(ctx context.Context, f api.KubeletFetch) ([]api.ServerMessage, error) {
	if len(f.Templates) > fetchMax {
		return nil, api.Errorf(api.CodeLimit, "a fetch of %d templates is over the limit of %d",
			len(f.Templates), fetchMax)
	}
	pods, err := s.store.NodePods(ctx, s.node)
	if err != nil {
		return nil, fmt.Errorf("read the pods of node %s: %w", s.node, err)
	}
	own := map[string]bool{}
	for _, p := range pods {
		own[roleOf(p.Template)] = true
	}
	var out []api.ServerMessage
	for _, name := range f.Templates {
		if !own[roleOf(name)] {
			continue
		}
		t, err := s.store.Template(ctx, name)
		if api.CodeOf(err) == api.CodeNotFound {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read template %s: %w", name, err)
		}
		s.rememberTemplate(name)
		out = append(out, api.ServerMessage{Templates: []api.KubeletTemplate{t}})
	}
	return out, nil
}

// roleOf is the job and role of a template's name; the rest is the generation, which may have risen.
func roleOf(template string) string {
	if i := strings.LastIndexByte(template, '.'); i >= 0 {
		return template[:i]
	}
	return template
}

func (s *Session) signalResults(ctx context.Context, results []api.SignalResult) error {
	ids := make([]int64, len(results))
	for i, r := range results {
		ids[i] = r.ID
	}
	if err := s.store.AckSignals(ctx, s.node, ids); err != nil {
		return fmt.Errorf("acknowledge the signals of node %s: %w", s.node, err)
	}
	for _, id := range ids {
		delete(s.signals, id)
	}
	return nil
}
