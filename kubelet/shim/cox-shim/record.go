package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/coxswain-hpc/coxswain/kubelet/shim/shimapi"
)

// Retries of the exit record on a full disk: about an hour, after which the pod counts as
// shim_lost rather than the shim staying forever.
const (
	recordPauseMin = 50 * time.Millisecond
	recordPauseMax = 10 * time.Second
	recordTriesMax = 370
)

const fileMode = 0o600

// tell sends the starting kubelet one line. It may be gone, which is no error.
func (p *pod) tell(message any) {
	line, err := json.Marshal(message)
	if err == nil {
		_, _ = p.notify.Write(append(line, '\n'))
	}
}

// saveState writes state.json. It needs no fsync: after a crash of the machine no process is left
// that it could describe. A failure is not fatal: the socket gives the same answer.
func (p *pod) saveState() {
	_ = writeAtomic(shimapi.StateFile, p.status(), false)
}

// writeRecordRetrying makes the exit record durable. Everybody who waits is told after the first
// try, even if the disk is full: the record is then in memory and the shim stays to answer.
func (p *pod) writeRecordRetrying() error {
	err := writeAtomic(shimapi.ExitFile, p.record, true)
	close(p.ended)
	if p.attached != nil {
		p.attached.tell(p.record)
	}
	p.tell(p.record)
	pause := recordPauseMin
	for range recordTriesMax {
		if err == nil {
			return nil
		}
		if errors.Is(err, os.ErrNotExist) {
			break // somebody removed the directory: no kubelet will ever look for the record
		}
		<-time.After(pause)
		pause = min(2*pause, recordPauseMax)
		err = writeAtomic(shimapi.ExitFile, p.record, true)
	}
	return fmt.Errorf("write the exit record: %w", err)
}

// writeAtomic replaces a file in the state directory. Durable means that it survives a power cut.
func writeAtomic(name string, value any, durable bool) error {
	data, err := json.Marshal(value)
	if err != nil {
		return err
	}
	temporary := name + ".tmp"
	f, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, fileMode)
	if err != nil {
		return err
	}
	_, err = f.Write(append(data, '\n'))
	if err == nil && durable {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Rename(temporary, name); err != nil || !durable {
		return err
	}
	return syncDir(".")
}

func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
