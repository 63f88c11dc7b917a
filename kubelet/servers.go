package kubelet

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"github.com/coxswain-hpc/coxswain/api/client"
	"github.com/coxswain-hpc/coxswain/internal/clock"
)

// renewLook is how often the certificate's age is looked at. It is renewed when a third of its life
// is left, which leaves months for a server that is away.
const (
	renewLook  = 6 * time.Hour
	renewShare = 3
)

// servers dials the real ones, the next after each failure.
type servers struct {
	opts Options

	mu          sync.Mutex
	credentials client.KubeletCredentials
	at          int
}

func (s *servers) kubelet() (*client.Kubelet, string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	endpoint := s.opts.Endpoints[s.at%len(s.opts.Endpoints)]
	k, err := client.NewKubelet(endpoint, s.credentials)
	return k, endpoint, err
}

// Stream implements Dialer.
func (s *servers) Stream(ctx context.Context) (Stream, error) {
	k, endpoint, err := s.kubelet()
	if err != nil {
		return nil, err
	}
	stream, err := k.Stream(ctx)
	if err != nil {
		s.next()
		k.Close()
		return nil, fmt.Errorf("dial %s: %w", endpoint, err)
	}
	return stream, nil
}

func (s *servers) next() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.at++
}

// Session implements Dialer: it goes to the server of the stream, which asked for it.
func (s *servers) Session(ctx context.Context, id string) (Frames, error) {
	k, _, err := s.kubelet()
	if err != nil {
		return nil, err
	}
	session, err := k.Session(ctx, id)
	if err != nil {
		k.Close()
		return nil, err
	}
	return session, nil
}

// keepFresh renews the certificate in time.
func (s *servers) keepFresh(ctx context.Context) {
	for ctx.Err() == nil {
		if err := s.refresh(ctx, s.opts.Clock.Now()); err != nil {
			s.opts.Logger.WarnContext(ctx, "the node's certificate can't be renewed yet", slog.Any("error", err))
		}
		_ = clock.Sleep(ctx, s.opts.Clock, renewLook) // ends with ctx
	}
}

// refresh renews the certificate if it is time.
func (s *servers) refresh(ctx context.Context, now time.Time) error {
	s.mu.Lock()
	from, to, err := s.credentials.Validity()
	s.mu.Unlock()
	if err != nil || to.Sub(now) > to.Sub(from)/renewShare {
		return err
	}
	k, _, err := s.kubelet()
	if err != nil {
		return err
	}
	defer k.Close()
	fresh, err := k.Renew(ctx, s.opts.Node)
	if err != nil {
		return err
	}
	if err := writeCredentials(filepath.Join(s.opts.StateDir, credentialsFile), fresh); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.credentials = fresh
	return nil
}
