package main

import (
	"bufio"
	"encoding/json"
	"os"
	"runtime"
	"sync"
	"time"

	"github.com/coxswain-hpc/coxswain/kubelet/shim/shimapi"
)

// Limits of an attached run.
const (
	// bufferBytesMax is how far output runs ahead of the client before the program has to wait.
	bufferBytesMax = 256 << 10
	// lingerMax is how long an ended pod waits for its client to take the rest of the output.
	lingerMax = 10 * time.Second
)

// attachment carries the standard files of an attached run to at most one client at a time. While
// the first client is awaited, and while one is there, a full buffer holds the program up. Once a
// client has vanished the oldest output is dropped instead, since nobody may ever come back.
type attachment struct {
	mu      sync.Mutex
	changed *sync.Cond
	frames  []shimapi.Frame
	bytes   int
	open    int // streams without end of file
	final   bool

	client    bool
	abandoned bool
	gone      chan struct{} // a token for each client that vanished
	stdin     *os.File
}

func newAttachment(p *prepared) *attachment {
	a := &attachment{stdin: p.stdin, open: 2, gone: make(chan struct{}, 1)}
	a.changed = sync.NewCond(&a.mu)
	go a.pump(shimapi.ChannelStdout, p.stdout)
	go a.pump(shimapi.ChannelStderr, p.stderr)
	return a
}

// vanished tells the loop that the client is gone. It is never ready without an attachment.
func (a *attachment) vanished() <-chan struct{} {
	if a == nil {
		return nil
	}
	return a.gone
}

// pump moves one stream from its pipe to the buffer.
func (a *attachment) pump(channel shimapi.Channel, pipe *os.File) {
	chunk := make([]byte, shimapi.FrameBytesMax)
	for {
		n, err := pipe.Read(chunk)
		if n > 0 {
			data := append([]byte(nil), chunk[:n]...)
			a.push(shimapi.Frame{Channel: channel, Data: data})
		}
		if err != nil {
			_ = pipe.Close() // it was only read
			a.push(shimapi.Frame{Channel: channel, EOF: true})
			return
		}
	}
}

func (a *attachment) push(f shimapi.Frame) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for a.bytes+len(f.Data) > bufferBytesMax && len(a.frames) > 0 {
		if a.abandoned && !a.client {
			a.bytes -= len(a.frames[0].Data)
			a.frames = a.frames[1:]
			continue
		}
		a.changed.Wait()
	}
	if f.EOF {
		a.open--
	}
	a.frames = append(a.frames, f)
	a.bytes += len(f.Data)
	a.changed.Broadcast()
}

// pop waits for the next frame; false means that the last one was sent.
func (a *attachment) pop() (shimapi.Frame, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for len(a.frames) == 0 {
		if a.final || !a.client {
			return shimapi.Frame{}, false
		}
		a.changed.Wait()
	}
	f := a.frames[0]
	a.frames = a.frames[1:]
	a.bytes -= len(f.Data)
	a.changed.Broadcast()
	return f, true
}

// serve is one attached connection, until its client or the pod ends.
func (a *attachment) serve(conn *os.File, lines *bufio.Scanner, p *pod) {
	response := shimapi.Response{Version: shimapi.Version}
	switch {
	case a == nil:
		response.Error = "this pod's output goes to files; read those"
	case !a.claim():
		response.Error = "another client is attached"
	}
	if err := send(conn, response); err != nil || response.Error != "" {
		if response.Error == "" {
			a.release(true)
		}
		return
	}
	go a.takeInput(conn, lines)
	lost := false
	for {
		frame, ok := a.pop()
		if !ok {
			break
		}
		if send(conn, frame) != nil {
			lost = true
			break
		}
	}
	select {
	case <-p.ended:
	default:
		lost = true
	}
	a.release(lost)
}

func (a *attachment) claim() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.client {
		return false
	}
	a.client = true
	return true
}

func (a *attachment) release(lost bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.client = false
	a.abandoned = true
	a.changed.Broadcast()
	if lost {
		select {
		case a.gone <- struct{}{}:
		default:
		}
	}
}

// takeInput passes the client's frames to the program's stdin. The end of the connection ends the
// client, also while no output flows.
func (a *attachment) takeInput(conn *os.File, lines *bufio.Scanner) {
	for lines.Scan() {
		var frame shimapi.Frame
		if err := json.Unmarshal(lines.Bytes(), &frame); err != nil {
			break
		}
		if frame.Channel != shimapi.ChannelStdin {
			continue
		}
		// A program that closed its stdin loses what comes; that is its choice.
		_, _ = a.stdin.Write(frame.Data)
		if frame.EOF {
			_ = a.stdin.Close()
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.client = false
	a.changed.Broadcast()
	_ = conn.Close() // wakes a sender that waits for a full socket
}

// tell ends the stream of a client that has seen all output. It goes before the kubelet is told, which
// then cleans up: a person waits for it.
func (a *attachment) tell(record *shimapi.ExitRecord) {
	a.mu.Lock()
	drained := a.open == 0
	a.mu.Unlock()
	if drained {
		a.finish(record)
		runtime.Gosched()
	}
}

// over says that nobody is attached or will be, and that nothing of it is left.
func (a *attachment) over() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.open == 0 && !a.client && len(a.frames) == 0
}

// linger ends the stream with the exit record, and waits until a client took it all, if one is there
// or may still come.
func (a *attachment) linger(record *shimapi.ExitRecord) {
	deadline := time.AfterFunc(lingerMax, func() { a.finish(nil) })
	defer deadline.Stop()
	defer func() { _ = a.stdin.Close() }() // nobody reads it any more
	a.mu.Lock()
	for a.open > 0 && !a.final {
		a.changed.Wait()
	}
	a.mu.Unlock()
	a.finish(record)
	a.mu.Lock()
	defer a.mu.Unlock()
	for len(a.frames) > 0 || a.client {
		if a.abandoned && !a.client {
			return // nobody will take the rest
		}
		a.changed.Wait()
	}
}

// finish adds the last frame; without a record it gives up on the client.
func (a *attachment) finish(record *shimapi.ExitRecord) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if record == nil {
		a.abandoned, a.client = true, false
	} else if !a.final {
		a.frames = append(a.frames, shimapi.Frame{Channel: shimapi.ChannelExit, EOF: true, Exit: record})
	}
	a.final = true
	a.changed.Broadcast()
}
