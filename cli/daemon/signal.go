package daemon

import (
	"context"
	"os/signal"
	"syscall"
)

// untilSignal ends run's context at INT or TERM. A daemon that was told to end has done what it
// should, whatever it says.
func untilSignal(ctx context.Context, run func(context.Context) error) error {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil && ctx.Err() == nil {
		return err
	}
	return nil
}
