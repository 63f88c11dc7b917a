package cgroup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/coxswain-hpc/coxswain/internal/clock"
	"github.com/coxswain-hpc/coxswain/kubelet/cgroup/podgroup"
)

// A group stays busy for some milliseconds after its last process was reaped.
const (
	removePauseMin = 500 * time.Microsecond
	removePauseMax = 20 * time.Millisecond
	removeTriesMax = 60 // about a second in all
)

// Remove removes the pod's group from every hierarchy. The tracker goes last: as long as it is
// there, List shows the pod.
func (d *files) Remove(ctx context.Context, pod Pod) error {
	if err := pod.Validate(); err != nil {
		return err
	}
	var errs []error
	for _, base := range d.bases() {
		errs = append(errs, removeTree(ctx, pod.below(base)))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("remove group of pod %s attempt %d: %w", pod.ID, pod.Attempt, err)
	}
	return nil
}

func removeTree(ctx context.Context, root string) error {
	dirs, err := podgroup.Dirs(root)
	if err != nil {
		return err
	}
	for _, dir := range dirs {
		if err := removeDir(ctx, dir); err != nil {
			return err
		}
	}
	return nil
}

func removeDir(ctx context.Context, dir string) error {
	pause := removePauseMin
	for range removeTriesMax {
		// rmdir directly: os.Remove tries unlink first.
		err := unix.Rmdir(dir)
		switch {
		case err == nil, errors.Is(err, fs.ErrNotExist):
			return nil
		case !errors.Is(err, unix.EBUSY):
			return fmt.Errorf("rmdir %s: %w", dir, err)
		}
		if err := clock.Sleep(ctx, clock.Real{}, pause); err != nil {
			return fmt.Errorf("%w: %s: %w", ErrBusy, dir, err)
		}
		pause = min(2*pause, removePauseMax)
	}
	return fmt.Errorf("%w: %s", ErrBusy, dir)
}

// List finds pods in every hierarchy, since a removal that was cut short leaves some.
func (d *files) List() ([]Pod, error) {
	var pods []Pod
	for _, base := range d.bases() {
		classes, err := subdirs(base)
		if err != nil {
			return nil, fmt.Errorf("list groups: %w", err)
		}
		for _, class := range classes {
			names, err := subdirs(filepath.Join(base, class))
			if err != nil {
				return nil, fmt.Errorf("list groups: %w", err)
			}
			for _, name := range names {
				if pod, ok := parsePod(class, name); ok {
					pods = append(pods, pod)
				}
			}
		}
	}
	slices.SortFunc(pods, comparePods)
	return slices.Compact(pods), nil
}

func subdirs(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var names []string
	for _, e := range entries {
		if e.IsDir() {
			names = append(names, e.Name())
		}
	}
	return names, err
}

// Prune removes our empty directories, the deepest first. What is busy stays.
func (d *files) Prune() error {
	var errs []error
	for _, base := range d.bases() {
		names, err := subdirs(base)
		errs = append(errs, err)
		for _, name := range names {
			errs = append(errs, rmdirIfEmpty(filepath.Join(base, name)))
		}
		errs = append(errs, rmdirIfEmpty(base))
	}
	for _, root := range d.roots {
		errs = append(errs, rmdirIfEmpty(root))
	}
	return errors.Join(errs...)
}

func rmdirIfEmpty(dir string) error {
	err := unix.Rmdir(dir)
	for _, fine := range []error{unix.EBUSY, unix.ENOTEMPTY, unix.ENOENT} {
		if errors.Is(err, fine) {
			return nil
		}
	}
	return err
}
