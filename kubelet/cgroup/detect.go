package cgroup

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/containerd/cgroups/v3"
)

// DefaultMount is where every distribution mounts cgroups.
const DefaultMount = "/sys/fs/cgroup"

// Config says where groups go.
type Config struct {
	Mount string // default DefaultMount
	Root  string // our directory in each hierarchy, default "cox"; under systemd a delegated slice
	Node  string // the kubelet's node name; several kubelets may share a machine
	// SelfCgroup is the file that names our own groups, the second place to look for a root that we
	// may write to. Default /proc/self/cgroup.
	SelfCgroup string
}

func (c Config) withDefaults() Config {
	if c.Mount == "" {
		c.Mount = DefaultMount
	}
	if c.Root == "" {
		c.Root = "cox"
	}
	if c.SelfCgroup == "" {
		c.SelfCgroup = "/proc/self/cgroup"
	}
	return c
}

// Detect finds the node's layout, makes our directories and reports what can't be enforced. A node
// without any usable cgroup gets a driver of ModeNone rather than an error: its pods run, and its
// conditions say what is missing.
func Detect(config Config) (Driver, error) {
	config = config.withDefaults()
	if !namePattern.MatchString(config.Node) || len(config.Node) > NameBytesMax {
		return nil, fmt.Errorf("%w: node %q", ErrInvalidName, config.Node)
	}
	own, err := ownGroups(config.SelfCgroup)
	if err != nil {
		return nil, fmt.Errorf("read own cgroups: %w", err)
	}
	d := &files{missing: map[string]string{}}
	switch mode := detectMode(config.Mount); mode {
	case ModeV2:
		d.findV2(config, own[""])
	case ModeHybrid, ModeV1:
		d.findV1(config, own, mode)
	case ModeNone:
		d.missing[""] = "no cgroup file system is mounted at " + config.Mount
	}
	return d.finish(), nil
}

// detectMode asks the library for the machine's own mount, and looks at the files of any other one.
func detectMode(mount string) Mode {
	if mount == DefaultMount {
		switch cgroups.Mode() {
		case cgroups.Unified:
			return ModeV2
		case cgroups.Hybrid:
			return ModeHybrid
		case cgroups.Legacy:
			return ModeV1
		case cgroups.Unavailable:
			return ModeNone
		}
	}
	switch {
	case exists(filepath.Join(mount, "cgroup.controllers")):
		return ModeV2
	case exists(filepath.Join(mount, "unified", "cgroup.controllers")):
		return ModeHybrid
	case exists(filepath.Join(mount, "memory", "tasks")), exists(filepath.Join(mount, "freezer", "tasks")):
		return ModeV1
	}
	return ModeNone
}

// v1Wanted are the controllers that we use on v1. A hybrid node's tracker stands in for the last two.
func v1Wanted(mode Mode) []string {
	wanted := []string{"cpu", "memory", "pids", "cpuset"}
	if mode == ModeV1 {
		wanted = append(wanted, "cpuacct", "freezer")
	}
	return wanted
}

func (d *files) findV1(config Config, own map[string]string, mode Mode) {
	d.mode = d.findTracker(config, own[""], mode)
	seen := map[string]bool{}
	for _, controller := range v1Wanted(d.mode) {
		mount, err := filepath.EvalSymlinks(filepath.Join(config.Mount, controller))
		if err != nil {
			d.missing[controller] = fmt.Sprintf("the kernel has no %s controller on cgroup v1", controller)
			continue
		}
		base, err := d.makeBase(config, mount, own[controller])
		if err != nil {
			d.missing[controller] = err.Error()
			continue
		}
		// cpu and cpuacct often share one hierarchy under two names.
		d.v1 = append(d.v1, hierarchy{
			controller: controller, mount: mount, base: base, limiter: limiterV1(controller, config.Mount),
			alias: seen[base],
		})
		seen[base] = true
	}
}

// findTracker finds a hybrid node's cgroup2 tree. Without it the node counts as v1.
func (d *files) findTracker(config Config, own string, mode Mode) Mode {
	if mode != ModeHybrid {
		return mode
	}
	base, err := d.makeBase(config, filepath.Join(config.Mount, "unified"), own)
	if err != nil {
		d.missing["tracker"] = err.Error()
		return ModeV1
	}
	d.unified, d.unifiedMount = base, filepath.Join(config.Mount, "unified")
	return ModeHybrid
}

func (d *files) findV2(config Config, own string) {
	d.mode = ModeV2
	base, err := d.makeBase(config, config.Mount, own)
	if err != nil {
		d.missing[""] = err.Error()
		return
	}
	d.unified, d.unifiedMount = base, config.Mount
	top := strings.TrimSuffix(base, "/"+filepath.Join(config.Root, config.Node))
	d.enableV2(top, base)
}

// makeBase makes <mount>/<root>/<node>, or the same below our own group if that isn't ours to
// write, as in a container or a user's delegated slice.
func (d *files) makeBase(config Config, mount, own string) (string, error) {
	below := filepath.Join(config.Root, config.Node)
	base := filepath.Join(mount, below)
	err := os.MkdirAll(base, dirMode)
	if err != nil && own != "" && own != "/" {
		base = filepath.Join(mount, own, below)
		if os.MkdirAll(base, dirMode) == nil {
			err = nil
		}
	}
	if errors.Is(err, fs.ErrPermission) {
		return "", fmt.Errorf("this user may not make groups in %s; "+
			"run the kubelet as root or delegate a slice", mount)
	}
	if err != nil {
		return "", fmt.Errorf("make our group: %w", err)
	}
	d.addRoots(strings.TrimSuffix(base, below), config.Root)
	return base, nil
}

// addRoots remembers each level of the root ("a/b/cox"), the deepest first, for Prune.
func (d *files) addRoots(above, root string) {
	for level := filepath.Clean(root); level != "." && level != "/"; level = filepath.Dir(level) {
		d.roots = append(d.roots, filepath.Join(above, level))
	}
}

// ownGroups reads /proc/PID/cgroup: "4:memory:/path" by controller, and "0::/path" under "".
func ownGroups(path string) (map[string]string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // read only
	own := map[string]string{}
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		parts := strings.SplitN(lines.Text(), ":", 3)
		if len(parts) != 3 {
			continue
		}
		for controller := range strings.SplitSeq(parts[1], ",") {
			own[controller] = parts[2]
		}
	}
	return own, lines.Err()
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// finish turns what was found into Info.
func (d *files) finish() *files {
	if len(d.v1) == 0 && d.unified == "" {
		d.mode = ModeNone
	}
	controllers := slices.Clone(d.v2Controllers)
	for _, h := range d.v1 {
		controllers = append(controllers, h.controller)
	}
	slices.Sort(controllers)
	d.info = Info{Mode: d.mode, Controllers: controllers, Conditions: d.conditions(controllers)}
	return d
}

func (d *files) conditions(usable []string) []Condition {
	needs := []struct {
		limit      Limit
		controller string
	}{
		{LimitCPUQuota, "cpu"},
		{LimitCPUWeight, "cpu"},
		{LimitCPUSet, "cpuset"},
		{LimitMemory, "memory"},
		{LimitPids, "pids"},
	}
	var out []Condition
	for _, n := range needs {
		if !slices.Contains(usable, n.controller) {
			out = append(out, Condition{n.limit, d.whyMissing(n.controller)})
		}
	}
	if d.unified == "" && !slices.Contains(usable, "freezer") {
		out = append(out, Condition{LimitKill, d.whyMissing("freezer") +
			"; processes that outlive a killed shim can't be found"})
	}
	cpuMeasured := d.unified != "" || slices.Contains(usable, "cpuacct")
	if !cpuMeasured || !slices.Contains(usable, "memory") {
		out = append(out, Condition{LimitUsage, d.whyMissing("memory") +
			"; usage is summed over the processes that the shim reaps"})
	}
	slices.SortFunc(out, func(a, b Condition) int { return strings.Compare(string(a.Limit), string(b.Limit)) })
	return out
}

func (d *files) whyMissing(controller string) string {
	for _, key := range []string{controller, ""} {
		if reason := d.missing[key]; reason != "" {
			return reason
		}
	}
	return "no usable " + controller + " controller was found"
}
