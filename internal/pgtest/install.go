package pgtest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// oldest is the first Postgres version that the product supports.
const oldest = 15

// install is where the server's programs are and who runs them.
type install struct {
	bin string              // folder with postgres and initdb
	who *syscall.Credential // nil: ourselves
}

func findInstall() (install, error) {
	bin, err := findBin()
	if err != nil {
		return install{}, err
	}
	who, err := findUser()
	return install{bin: bin, who: who}, err
}

// findBin prefers Debian's place, which is not in PATH, and there the newest version.
func findBin() (string, error) {
	best, newest := "", oldest-1
	dirs, _ := filepath.Glob("/usr/lib/postgresql/*/bin") // the pattern is constant and well formed
	for _, dir := range dirs {
		version, err := strconv.Atoi(filepath.Base(filepath.Dir(dir)))
		if err == nil && version > newest && isExecutable(filepath.Join(dir, "initdb")) {
			best, newest = dir, version
		}
	}
	if best != "" {
		return best, nil
	}
	return findBinInPath()
}

func findBinInPath() (string, error) {
	missing := fmt.Errorf("no Postgres %d or newer found: install the Debian package postgresql "+
		"(scripts/install-deps.sh test does it), or set %s", oldest, EnvURL)
	initdb, err := exec.LookPath("initdb")
	if err != nil {
		return "", missing
	}
	out, err := exec.Command(initdb, "--version").Output() // "initdb (PostgreSQL) 16.2"
	if err != nil {
		return "", fmt.Errorf("ask %s for its version: %w", initdb, err)
	}
	fields := strings.Fields(strings.TrimPrefix(string(out), "initdb (PostgreSQL) "))
	if len(fields) == 0 {
		return "", missing
	}
	major, _, _ := strings.Cut(fields[0], ".")
	if version, err := strconv.Atoi(major); err != nil || version < oldest {
		return "", missing
	}
	return filepath.Dir(initdb), nil
}

func isExecutable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode()&0o111 != 0
}

// findUser picks whom root becomes: Postgres refuses to run as root.
func findUser() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil //nolint:nilnil // nil says: no change
	}
	passwd, err := os.ReadFile("/etc/passwd")
	if err != nil {
		return nil, fmt.Errorf("look for an unprivileged user: %w", err)
	}
	for _, name := range []string{"postgres", "nobody"} {
		if who := lookUp(string(passwd), name); who != nil {
			return who, nil
		}
	}
	return nil, errors.New("there is no user postgres or nobody to run Postgres, which refuses root")
}

func lookUp(passwd, name string) *syscall.Credential {
	for line := range strings.Lines(passwd) {
		fields := strings.Split(line, ":")
		if len(fields) < 4 || fields[0] != name {
			continue
		}
		uid, errUID := strconv.ParseUint(fields[2], 10, 32)
		gid, errGID := strconv.ParseUint(fields[3], 10, 32)
		if errUID == nil && errGID == nil && uid != 0 {
			return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
		}
	}
	return nil
}

// own gives path to the server's user.
func (in install) own(path string) error {
	if in.who == nil {
		return nil
	}
	if err := os.Chown(path, int(in.who.Uid), int(in.who.Gid)); err != nil {
		return fmt.Errorf("give %s to the server's user: %w", path, err)
	}
	return nil
}

// command prepares a program of the installation: as the server's user, in a session of its own
// (a Ctrl-C in the terminal must not reach the server before its tests), and with an environment
// that no PG* variable of the caller's disturbs.
func (in install) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "TZ=UTC"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Credential: in.who}
	return cmd
}

// initdb makes a data folder under dir, which belongs to the server's user.
func (in install) initdb(dir string, durable bool) error {
	cmd := in.command(filepath.Join(in.bin, "initdb"), "--pgdata", filepath.Join(dir, "data"),
		"--username", superuser, "--auth", "trust", "--encoding", "UTF8", "--locale", "C",
		"--no-sync", "--no-instructions")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, out)
	}
	conf, err := os.OpenFile(filepath.Join(dir, "data", "postgresql.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("configure the test server: %w", err)
	}
	_, errWrite := conf.WriteString(settings(dir, durable))
	return errors.Join(errWrite, conf.Close())
}

func settings(dir string, durable bool) string {
	s := fmt.Sprintf(`
listen_addresses = ''
unix_socket_directories = '%s'
max_connections = 300          # packages in parallel, tests in parallel, a pool each
shared_buffers = 64MB
timezone = 'UTC'
log_timezone = 'UTC'
jit = off                      # test queries are short; compiling them is not
wal_level = minimal
max_wal_senders = 0
`, dir)
	if !durable {
		s += "fsync = off\nsynchronous_commit = off\nfull_page_writes = off\n"
	}
	return s
}
