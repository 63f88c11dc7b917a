package service

import (
	"context"
	"fmt"
	"slices"
)

// Group is services in the order in which they start; they stop in the reverse order, so that
// each one may rely on those before it.
type Group []Service

var _ Service = Group(nil)

// Start starts all or none: when one fails, those before it are stopped again.
func (g Group) Start(ctx context.Context) error {
	for i, s := range g {
		if err := s.Start(ctx); err != nil {
			g[:i].Stop()
			return fmt.Errorf("start service %d of %d: %w", i+1, len(g), err)
		}
	}
	return nil
}

// Stop stops every service, the last first.
func (g Group) Stop() {
	for _, s := range slices.Backward(g) {
		s.Stop()
	}
}
