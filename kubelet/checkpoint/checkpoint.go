// Package checkpoint keeps on disk what a kubelet must know of its pods after it was killed: one
// directory a pod, with a versioned JSON record that is replaced atomically. The shim of the pod
// keeps its own files (state, exit record, socket) in the same directory, so that one directory is
// all that the node has of a pod, and removing it forgets the pod.
//
// Nothing here is flushed to the disk, on purpose: a record has to survive the death of the kubelet,
// which the page cache does, and not that of the machine, for then no process of the pod survives
// either; a record of an earlier boot, or one that such a crash lost, tells that the pod is gone,
// and the server's word (bound or running) decides what that means. The one thing that has to
// survive the machine is how a pod ended, and the shim flushes that record itself. A flush here
// would cost some milliseconds in the way of every start.
//
// It decides nothing and starts nothing.
package checkpoint

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/coxswain-hpc/coxswain/api"
)

// Version is the format that this code writes. Older ones are read; a newer one is an error, as
// its pods can't be adopted by a kubelet that doesn't understand them.
const Version = 1

// file is the record's name in a pod's directory.
const file = "pod.json"

// recordBytesMax bounds a record that is read back; a real one has a few KiB.
const recordBytesMax = 4 << 20

// Record is what is kept of a pod.
type Record struct {
	Version    int               `json:"version"`
	Assignment api.PodAssignment `json:"assignment"`
	// Epoch is that of the store which the pod came from, BootID the machine's boot.
	Epoch  string `json:"epoch"`
	BootID string `json:"boot_id"`
	// Owner runs the pod; Stdout and Stderr are the absolute paths of its output, for logs.
	Owner  api.Identity `json:"owner"`
	Stdout string       `json:"stdout,omitempty"`
	Stderr string       `json:"stderr,omitempty"`
	Attach bool         `json:"attach,omitempty"`
}

// Store is the directory of all pods. Its methods may be called at once for different pods.
type Store struct{ dir string }

// Open makes the directory if needed. Nobody but the kubelet's user may enter it.
func Open(dir string) (*Store, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the directory of pods: %w", err)
	}
	return &Store{dir: dir}, nil
}

// Dir is a pod's directory.
func (s *Store) Dir(key api.PodKey) string { return filepath.Join(s.dir, key.PathName()) }

// Save writes a pod's record, and makes its directory at first.
func (s *Store) Save(r Record) error {
	r.Version = Version
	dir := s.Dir(r.Assignment.Key)
	data, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("encode the record of pod %s: %w", r.Assignment.Key, err)
	}
	switch err = os.Mkdir(dir, 0o700); {
	case err == nil:
		// Nothing is replaced: a record that is cut here belongs to a pod that was never started.
		err = os.WriteFile(filepath.Join(dir, file), data, 0o600)
	case errors.Is(err, fs.ErrExist):
		err = replace(dir, data)
	}
	if err != nil {
		return fmt.Errorf("write the record of pod %s: %w", r.Assignment.Key, err)
	}
	return nil
}

// replace writes the record by rename, without a flush (see the package comment), which is why it
// does not use renameio. A pod has one writer at a time, so one temporary name is enough; a crash
// leaves it to be overwritten by the next record.
func replace(dir string, data []byte) error {
	path := filepath.Join(dir, file)
	temp := path + ".new"
	err := os.WriteFile(temp, data, 0o600)
	if err == nil {
		err = os.Rename(temp, path)
	}
	if err != nil {
		_ = os.Remove(temp) // the first error says what is wrong
	}
	return err
}

// Broken is a directory whose record can't be used.
type Broken struct {
	Dir string
	Err error
}

// Load reads all records. A directory without a usable record is returned apart: a crash between
// making it and writing the record leaves an empty one, in which nothing was started.
func (s *Store) Load() ([]Record, []Broken, error) {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return nil, nil, fmt.Errorf("list the pods on disk: %w", err)
	}
	var records []Record
	var broken []Broken
	for _, e := range entries {
		dir := filepath.Join(s.dir, e.Name())
		r, err := read(filepath.Join(dir, file))
		if err == nil && r.Assignment.Key.PathName() != e.Name() {
			err = fmt.Errorf("the record is that of pod %s", r.Assignment.Key)
		}
		if err != nil {
			broken = append(broken, Broken{Dir: dir, Err: err})
			continue
		}
		records = append(records, r)
	}
	return records, broken, nil
}

func read(path string) (Record, error) {
	info, err := os.Stat(path)
	if err != nil {
		return Record{}, err
	}
	if info.Size() > recordBytesMax {
		return Record{}, fmt.Errorf("the record has %d bytes, at most %d are possible", info.Size(), recordBytesMax)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return Record{}, err
	}
	var r Record
	if err := json.Unmarshal(data, &r); err != nil {
		return Record{}, fmt.Errorf("decode the record: %w", err)
	}
	if r.Version < 1 || r.Version > Version {
		return Record{}, fmt.Errorf("the record has version %d, this kubelet reads up to %d", r.Version, Version)
	}
	return r, nil
}

// Remove forgets a pod: its directory with everything in it. A missing one is no error.
func (s *Store) Remove(key api.PodKey) error {
	if err := os.RemoveAll(s.Dir(key)); err != nil {
		return fmt.Errorf("remove the record of pod %s: %w", key, err)
	}
	return nil
}
