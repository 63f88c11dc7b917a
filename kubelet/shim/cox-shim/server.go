package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/coxswain-hpc/coxswain/kubelet/shim/shimapi"
)

// Limits of the socket.
const (
	backlog        = 16
	connectionsMax = 64 // the kubelet needs two or three at once
)

// listen binds the socket in the current directory, by its short name: a socket's whole path may
// have 107 bytes only. The directory is private; mode and peer check come on top.
func listen() (*os.File, error) {
	const flags = unix.SOCK_STREAM | unix.SOCK_CLOEXEC | unix.SOCK_NONBLOCK
	fd, err := unix.Socket(unix.AF_UNIX, flags, 0)
	if err != nil {
		return nil, fmt.Errorf("make a socket: %w", err)
	}
	const ownerOnly = 0o177
	old := unix.Umask(ownerOnly)
	err = unix.Bind(fd, &unix.SockaddrUnix{Name: shimapi.SocketFile})
	unix.Umask(old)
	if err == nil {
		err = unix.Listen(fd, backlog)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("listen on %s: %w", shimapi.SocketFile, err), unix.Close(fd))
	}
	return os.NewFile(uintptr(fd), shimapi.SocketFile), nil
}

// serve accepts connections until the shim ends.
func serve(listener *os.File, p *pod) {
	slots := make(chan struct{}, connectionsMax)
	raw, err := listener.SyscallConn()
	if err != nil {
		return
	}
	for {
		conn, err := accept(raw)
		if err != nil {
			return
		}
		slots <- struct{}{}
		go func() {
			defer func() { <-slots }()
			defer func() { _ = conn.Close() }() // nothing is buffered
			if allowed(conn) {
				converse(conn, p)
			}
		}()
	}
}

// accept waits in the poller. Package net would do the same and cost a shim half a megabyte.
func accept(raw syscall.RawConn) (*os.File, error) {
	var fd int
	var acceptErr error
	err := raw.Read(func(listener uintptr) bool {
		fd, _, acceptErr = unix.Accept4(int(listener), unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK)
		return !errors.Is(acceptErr, unix.EAGAIN)
	})
	switch {
	case err != nil:
		return nil, err
	case errors.Is(acceptErr, unix.ECONNABORTED) || errors.Is(acceptErr, unix.EINTR):
		return accept(raw)
	case acceptErr != nil:
		return nil, acceptErr
	}
	return os.NewFile(uintptr(fd), "connection"), nil
}

// allowed checks who is at the other end: root, or the user that the shim runs as.
func allowed(conn *os.File) bool {
	raw, err := conn.SyscallConn()
	if err != nil {
		return false
	}
	ok := false
	err = raw.Control(func(fd uintptr) {
		cred, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
		ok = err == nil && (cred.Uid == 0 || int(cred.Uid) == os.Geteuid())
	})
	return err == nil && ok
}

// converse answers one client's requests, one after the other.
func converse(conn *os.File, p *pod) {
	lines := bufio.NewScanner(conn)
	lines.Buffer(nil, shimapi.LineBytesMax)
	for lines.Scan() {
		var request shimapi.Request
		if err := json.Unmarshal(lines.Bytes(), &request); err != nil {
			_ = send(conn, shimapi.Response{Version: shimapi.Version, Error: "malformed request"})
			return
		}
		if request.Op == shimapi.OpAttach {
			p.attached.serve(conn, lines, p)
			return
		}
		if send(conn, p.answer(request)) != nil {
			return
		}
	}
}

// answer passes a request to the loop, or answers from the record once that has ended.
func (p *pod) answer(r shimapi.Request) shimapi.Response {
	if r.Op == shimapi.OpWait {
		<-p.ended
		return shimapi.Response{Version: shimapi.Version, Exit: p.record}
	}
	c := command{request: r, reply: make(chan shimapi.Response, 1)}
	select {
	case p.commands <- c:
		return <-c.reply
	case <-p.ended:
		return shimapi.Response{Version: shimapi.Version, State: p.status(), Exit: p.record}
	}
}

func send(conn *os.File, message any) error {
	line, err := json.Marshal(message)
	if err != nil {
		return err
	}
	_, err = conn.Write(append(line, '\n'))
	return err
}
