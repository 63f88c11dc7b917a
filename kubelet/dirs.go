package kubelet

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"

	"golang.org/x/sys/unix"

	"github.com/coxswain-hpc/coxswain/api"
)

// passThrough lets users through to what is theirs, and shows them nothing.
const passThrough = 0o711

// spoolDir is where the scripts are.
func spoolDir(o Options) string { return filepath.Join(o.StateDir, "spool") }

// scratchDir is where the pods' temporary directories are.
func scratchDir(o Options) string {
	if o.ScratchDir == "" {
		return filepath.Join(o.StateDir, "scratch")
	}
	return filepath.Join(o.ScratchDir, "cox-"+o.Node)
}

// makeDirs makes the directories of the kubelet.
func makeDirs(o Options) error {
	if o.ScratchDir != "" {
		if err := os.MkdirAll(o.ScratchDir, passThrough); err != nil {
			return fmt.Errorf("make the directory of temporary files: %w", err)
		}
	}
	if err := os.MkdirAll(o.StateDir, passThrough); err != nil {
		return fmt.Errorf("make the kubelet's directories: %w", err)
	}
	return errors.Join(ownDir(spoolDir(o)), ownDir(scratchDir(o)))
}

// ownDir makes a directory in which we hand out others to users. One that is there must be ours: in a
// place such as /tmp anybody could have made it, or a link, and would lead root's hand.
func ownDir(path string) error {
	err := os.Mkdir(path, passThrough)
	if err == nil {
		return nil
	}
	if !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("make the kubelet's directories: %w", err)
	}
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		return fmt.Errorf("look at %s: %w", path, err)
	}
	const othersWrite = 0o022
	if st.Mode&unix.S_IFMT != unix.S_IFDIR || int(st.Uid) != os.Geteuid() || st.Mode&othersWrite != 0 {
		return api.Errorf(api.CodeInvalid,
			"%s is no directory that only this kubelet can write to; remove it or choose another place", path)
	}
	return nil
}

// podName is what PodKey.PathName gives. Whatever else lies in our directories is not ours to remove.
var podName = regexp.MustCompile(`^[0-9]+(_[0-9]+)?(\.[0-9]+)?-[0-9]+$`)
