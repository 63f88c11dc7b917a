package shim

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/coxswain-hpc/coxswain/internal/clock"
)

// End kills the shim in dir, which does not answer or is not needed any more, and waits until it is
// gone. A shim that has ended is no error. The pod's processes are the caller's to kill, afterwards: a
// shim that lives could still start one.
func End(ctx context.Context, dir string) error {
	c := newClient(dir)
	pid, err := c.shimPID(ctx)
	if err != nil {
		return c.goneOr(fmt.Errorf("find the shim in %s: %w", dir, err))
	}
	pidfd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return c.goneOr(fmt.Errorf("find the shim in %s: %w", dir, err))
	}
	defer func() { _ = unix.Close(pidfd) }()
	// It holds its lock now, so it has held it since its pid was read: the descriptor is that of the shim.
	if alive, err := Alive(dir); err != nil || !alive {
		return err
	}
	if err := unix.PidfdSendSignal(pidfd, unix.SIGKILL, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("kill the shim in %s: %w", dir, err)
	}
	for alive := true; alive; {
		if err := clock.Sleep(ctx, clock.Real{}, connectPause); err != nil {
			return fmt.Errorf("the shim in %s survives SIGKILL: %w", dir, err)
		}
		if alive, err = Alive(dir); err != nil {
			return err
		}
	}
	return nil
}

// goneOr gives err only while the shim lives.
func (c *Client) goneOr(err error) error {
	alive, aliveErr := Alive(c.dir)
	if aliveErr == nil && !alive {
		return nil
	}
	return errors.Join(err, aliveErr)
}

// shimPID asks the kernel who listens on the socket, which needs no answer of the shim's.
func (c *Client) shimPID(ctx context.Context) (int, error) {
	conn, err := c.dial(ctx)
	if err != nil {
		// A full backlog, or no socket yet.
		state, stateErr := ReadState(c.dir)
		return state.Shim.PID, errors.Join(stateErr, ignoreIf(err, stateErr == nil))
	}
	defer func() { _ = conn.Close() }()
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0, err
	}
	var peer *unix.Ucred
	var peerErr error
	err = raw.Control(func(fd uintptr) {
		peer, peerErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	})
	if err := errors.Join(err, peerErr); err != nil {
		return 0, err
	}
	return int(peer.Pid), nil
}

func ignoreIf(err error, ignore bool) error {
	if ignore {
		return nil
	}
	return err
}
