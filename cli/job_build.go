package cli

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sys/unix"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/cli/header"
	"github.com/coxswain-hpc/coxswain/cli/nofile"
)

// scriptBytesMax bounds a batch script.
const scriptBytesMax = 16 << 20

// foreignFlags are cox's own global flags, which may stand between sbatch's.
func foreignFlags() map[string]header.Arg {
	return map[string]header.Arg{"context": header.ArgRequired, "server": header.ArgRequired}
}

// takeForeign puts the global flags where the other commands have them.
func (a *app) takeForeign(flags map[string]string) {
	if v, ok := flags["context"]; ok {
		a.context = v
	}
	if v, ok := flags["server"]; ok {
		a.server = v
	}
}

// readScript reads the batch script that a command line names: a file, or standard input.
func (a *app) readScript(line header.Line) ([]byte, error) {
	for _, s := range line.Settings {
		if name := s.Option.Name; name == "wrap" || name == "help" || name == "usage" || name == "version" {
			return nil, nil
		}
	}
	if line.DashDash {
		return nil, nil
	}
	in, name := a.Stdin, "standard input"
	if len(line.Rest) > 0 && line.Rest[0] != "-" {
		name = line.Rest[0]
		file, err := os.Open(name)
		if err != nil {
			return nil, api.Errorf(api.CodeInvalid, "read the script: %w", err)
		}
		defer file.Close() //nolint:errcheck // only read
		in = file
	} else {
		a.tellStdin()
	}
	script, err := io.ReadAll(io.LimitReader(in, scriptBytesMax+1))
	if err != nil {
		return nil, api.Errorf(api.CodeInvalid, "read the script: %w", err)
	}
	if len(script) > scriptBytesMax {
		return nil, api.Errorf(api.CodeLimit, "%s is larger than %s, too large for a script", name,
			api.FormatBytes(scriptBytesMax))
	}
	return script, nil
}

// tellStdin says what a silent command at a terminal waits for.
func (a *app) tellStdin() {
	file, ok := a.Stdin.(*os.File)
	if !ok {
		return
	}
	if info, err := file.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 && a.terminal() {
		a.note("reads the script from standard input; end it with Ctrl-D")
	}
}

// surroundings are what a job takes over from the process that submits it.
func (a *app) surroundings() (header.Context, error) {
	cwd, err := os.Getwd()
	if err != nil {
		return header.Context{}, api.Errorf(api.CodeInvalid, "where am I: %w", err)
	}
	host, err := os.Hostname()
	if err != nil {
		host = "" // a job may do without
	}
	return header.Context{
		Now: time.Now(), Cwd: cwd, Host: host, Umask: umask(), SoftLimits: softLimits(), Environ: os.Environ(),
	}, nil
}

// umask reads the process's mask, which can only be read by setting it; at this time nothing else
// makes files.
func umask() int64 {
	mask := unix.Umask(0o077)
	unix.Umask(mask)
	return int64(mask)
}

// limitNames are the limits that a job takes over, as getrlimit(2) names them.
var limitNames = map[string]int{
	"as": unix.RLIMIT_AS, "core": unix.RLIMIT_CORE, "cpu": unix.RLIMIT_CPU, "data": unix.RLIMIT_DATA,
	"fsize": unix.RLIMIT_FSIZE, "memlock": unix.RLIMIT_MEMLOCK, "nofile": unix.RLIMIT_NOFILE,
	"nproc": unix.RLIMIT_NPROC, "rss": unix.RLIMIT_RSS, "stack": unix.RLIMIT_STACK,
}

// softLimits reads this process's soft limits; -1 is unlimited. Go raises the limit of open files
// for itself at start, so that one is taken from before.
func softLimits() map[string]int64 {
	limits := make(map[string]int64, len(limitNames))
	for name, resource := range limitNames {
		var l unix.Rlimit
		if err := unix.Getrlimit(resource, &l); err != nil {
			continue
		}
		limits[name] = limitValue(l.Cur)
	}
	if n := nofile.AtStart(); n != 0 {
		limits["nofile"] = limitValue(n)
	}
	return limits
}

func limitValue(v uint64) int64 {
	if v == unix.RLIM_INFINITY || v > 1<<62 {
		return -1
	}
	return int64(v)
}

// requestID names a submission, so that repeating it is harmless.
func requestID() string { return uuid.NewString() }

// helpOptions lists the options of submit and run, as the header package knows them.
func helpOptions() string {
	var b strings.Builder
	for _, o := range header.Table() {
		if !o.Honoured() {
			continue
		}
		name := o.Flag()
		if o.Value != "" {
			sep := "="
			if o.Arg == header.ArgOptional {
				sep = "[="
			}
			name += sep + o.Value
			if o.Arg == header.ArgOptional {
				name += "]"
			}
		}
		short := "    "
		if o.Short != 0 {
			short = "-" + string(o.Short) + ", "
		}
		fmt.Fprintf(&b, "  %s%-38s %s\n", short, name, o.Meaning)
	}
	return b.String()
}
