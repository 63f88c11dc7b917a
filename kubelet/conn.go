package kubelet

import (
	"context"
	"log/slog"
	"time"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/internal/backoff"
	"github.com/coxswain-hpc/coxswain/internal/clock"
)

// Stream is a control stream. Send and Receive are used by one goroutine each.
type Stream interface {
	Send(ctx context.Context, m api.KubeletMessage) error
	Receive(ctx context.Context) (api.ServerMessage, error)
	Close()
}

// Frames is the stream of one session. Send and Receive are used by one goroutine each.
type Frames interface {
	Send(ctx context.Context, f api.SessionFrame) error
	Receive(ctx context.Context) (api.SessionFrame, error)
	// Finish ends the session in order: what was sent arrives. Close just ends it.
	Finish()
	Close()
}

// Dialer reaches a server. It is called again after each loss, and may choose another server then.
type Dialer interface {
	Stream(ctx context.Context) (Stream, error)
	Session(ctx context.Context, id string) (Frames, error)
}

// Times and bounds of a link.
const (
	dialTimeout   = 20 * time.Second
	helloTimeout  = 20 * time.Second
	sendTimeout   = 20 * time.Second
	outMax        = 256 // messages that wait to be sent; more means that the server does not read
	renewDefault  = 10 * time.Second
	renewsUnheard = 3 // renewals without an answer that end a link
)

// reconnect is short at first: a server that restarts is back within a second.
var reconnect = backoff.Policy{Min: 100 * time.Millisecond, Max: 15 * time.Second}

// link is one control stream, from its hello to its loss.
type link struct {
	out  chan api.KubeletMessage
	stop context.CancelFunc
}

// send queues a message. A server that does not read loses its stream, never our memory.
func (l *link) send(m api.KubeletMessage) {
	select {
	case l.out <- m:
	default:
		l.stop()
	}
}

// stay keeps a link to some server, for as long as the kubelet runs.
func (a *agent) stay(ctx context.Context) {
	wait := backoff.New(reconnect, a.opts.Rand)
	for ctx.Err() == nil {
		welcomed, err := a.serveLink(ctx)
		if welcomed {
			wait.Reset()
		}
		pause := wait.Next()
		if ctx.Err() == nil {
			a.log.WarnContext(ctx, "no server", slog.Any("error", err), slog.Duration("retry_in", pause))
			_ = clock.Sleep(ctx, a.opts.Clock, pause) // only the end of ctx ends it early
		}
	}
}

// serveLink dials, says hello, and passes messages both ways until the stream is lost.
func (a *agent) serveLink(parent context.Context) (welcomed bool, err error) {
	ctx, cancel := context.WithCancel(parent)
	defer cancel()
	stream, err := a.dial(ctx)
	if err != nil {
		return false, err
	}
	defer stream.Close()
	welcome, err := a.greet(ctx, stream)
	if err != nil {
		return false, err
	}
	l := &link{out: make(chan api.KubeletMessage, outMax), stop: cancel}
	heard := make(chan int64, outMax)
	go a.write(ctx, stream, l)
	go a.renew(ctx, l, renewEvery(welcome.Welcome), heard)
	a.post(func() { a.connected(l, welcome) })
	defer a.post(func() { a.disconnected(l) })
	return true, a.read(ctx, stream, heard)
}

func (a *agent) dial(ctx context.Context) (Stream, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	return a.opts.Dialer.Stream(ctx)
}

func (a *agent) greet(ctx context.Context, stream Stream) (api.ServerMessage, error) {
	ctx, cancel := context.WithTimeout(ctx, helloTimeout)
	defer cancel()
	hello := make(chan api.KubeletHello, 1)
	a.post(func() { hello <- a.hello() })
	select {
	case h := <-hello:
		if err := stream.Send(ctx, api.KubeletMessage{Hello: &h}); err != nil {
			return api.ServerMessage{}, err
		}
	case <-ctx.Done():
		return api.ServerMessage{}, context.Cause(ctx)
	}
	m, err := stream.Receive(ctx)
	switch {
	case err != nil:
		return m, err
	case m.Error != nil:
		return m, m.Error
	case m.Welcome == nil:
		return m, api.Errorf(api.CodeInternal, "the server's first message was no welcome")
	case m.Welcome.Protocol != api.KubeletProtocol:
		return m, api.Errorf(api.CodeUnsupported, "the server speaks protocol %d, this kubelet %d; "+
			"upgrade the older one",
			m.Welcome.Protocol, api.KubeletProtocol)
	}
	return m, nil
}

func renewEvery(w *api.ServerWelcome) time.Duration {
	if w.RenewSeconds <= 0 {
		return renewDefault
	}
	return time.Duration(w.RenewSeconds) * time.Second
}

// write sends what is queued, one message at a time.
func (a *agent) write(ctx context.Context, stream Stream, l *link) {
	for {
		select {
		case m := <-l.out:
			sending, cancel := context.WithTimeout(ctx, sendTimeout)
			err := stream.Send(sending, m)
			cancel()
			if err != nil {
				l.stop()
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

// read passes what the server says on to the agent.
func (a *agent) read(ctx context.Context, stream Stream, heard chan<- int64) error {
	for {
		m, err := stream.Receive(ctx)
		if err != nil {
			return err
		}
		if m.Error != nil {
			return m.Error
		}
		if m.RenewAck != 0 {
			select {
			case heard <- m.RenewAck:
			default: // renew is ending
			}
		}
		a.post(func() { a.received(m) })
	}
}

// renew renews the node's lease. The lease counts from the sending of what was acknowledged; a link
// on which nothing comes back is given up, so that a lost network is noticed without its help. The
// leader hears a node by seeing its number change, so no two renewals of a boot share one, on whatever
// link: each link counts on from the boot time in milliseconds (sim, seed 4).
func (a *agent) renew(ctx context.Context, l *link, every time.Duration, heard <-chan int64) {
	timer := a.opts.Clock.NewTimer(0)
	defer timer.Stop()
	sent := a.opts.Clock.Boot().Milliseconds()
	acked := sent
	for {
		select {
		case <-timer.C:
			if sent-acked >= renewsUnheard {
				l.stop()
				return
			}
			sent++
			l.send(api.KubeletMessage{Renew: &api.KubeletRenew{Seq: sent, BootID: a.bootID}})
			timer.Reset(every)
		case acked = <-heard:
		case <-ctx.Done():
			return
		}
	}
}
