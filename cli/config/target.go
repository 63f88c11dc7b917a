package config

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/coxswain-hpc/coxswain/api"
)

// SystemSocket is the socket of a machine's own cluster, made by `cox up` or `cox server` as root.
const SystemSocket = "/run/cox/cox.sock"

// Target is the cluster that a command talks to.
type Target struct {
	Server string
	Token  string
	CAPEM  []byte
	CAHash string
	// From says where the choice comes from, for people.
	From string
}

// Choice is what decides about the target, strongest first: Server and Context from flags, then the
// environment, then the file, then local sockets.
type Choice struct {
	Server, Context string
	Getenv          func(string) string
	// Exists says whether there is a socket at a path.
	Exists func(path string) bool
}

// SocketExists is the real Choice.Exists.
func SocketExists(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().Type() == os.ModeSocket
}

// Resolve finds the target.
func Resolve(c Choice) (Target, error) {
	server := first(c.Server, c.Getenv("COX_SERVER"))
	if server != "" && first(c.Context, "") == "" {
		return c.named(server)
	}
	file, err := Load(Path(c.Getenv))
	if err != nil {
		return Target{}, err
	}
	if name := first(c.Context, c.Getenv("COX_CONTEXT"), file.Current); name != "" {
		return file.target(name, c.Getenv("COX_TOKEN"))
	}
	return c.local()
}

func first(list ...string) string {
	for _, s := range list {
		if s != "" {
			return s
		}
	}
	return ""
}

// named is a target by address alone; COX_CA names a file with the authority.
func (c Choice) named(server string) (Target, error) {
	t := Target{
		Server: server, Token: c.Getenv("COX_TOKEN"), CAHash: c.Getenv("COX_CA_HASH"),
		From: "the given address",
	}
	if strings.HasPrefix(server, "/") {
		t.Server = "unix://" + server
	}
	if path := c.Getenv("COX_CA"); path != "" {
		text, err := os.ReadFile(path)
		if err != nil {
			return Target{}, api.Errorf(api.CodeInvalid, "read COX_CA: %w", err)
		}
		t.CAPEM = text
	}
	return t, nil
}

func (f *File) target(name, token string) (Target, error) {
	ctx, ok := find(f.Contexts, func(x Context) bool { return x.Name == name })
	if !ok {
		return Target{}, api.Errorf(api.CodeNotFound, "there is no context %q; `cox context list` shows them", name)
	}
	cluster, ok := find(f.Clusters, func(x Cluster) bool { return x.Name == ctx.Cluster })
	if !ok {
		return Target{}, api.Errorf(api.CodeInvalid, "context %q names the cluster %q, which is not in the file",
			name, ctx.Cluster)
	}
	identity, ok := find(f.Identities, func(x Identity) bool { return x.Name == ctx.Identity })
	if !ok && ctx.Identity != "" {
		return Target{}, api.Errorf(api.CodeInvalid, "context %q names the identity %q, which is not in the file",
			name, ctx.Identity)
	}
	return Target{
		Server: cluster.Server, CAPEM: []byte(cluster.CA), CAHash: cluster.CAHash,
		Token: first(token, identity.Token), From: "context " + name,
	}, nil
}

func (c Choice) local() (Target, error) {
	if path := c.Getenv("COX_SOCKET"); path != "" {
		return Target{Server: "unix://" + path, From: "COX_SOCKET"}, nil
	}
	for _, path := range []string{filepath.Join(StateDir(c.Getenv), "cox.sock"), SystemSocket} {
		if c.Exists(path) {
			return Target{Server: "unix://" + path, From: "local socket"}, nil
		}
	}
	return Target{}, api.Errorf(api.CodeUnavailable,
		"no cluster found: start one on this machine with `cox up`, "+
			"or name one with `cox context set NAME --server https://…`")
}

// StateDir is the data directory of a user's own `cox up`.
func StateDir(getenv func(string) string) string {
	if dir := getenv("XDG_STATE_HOME"); dir != "" {
		return filepath.Join(dir, "cox")
	}
	return filepath.Join(getenv("HOME"), ".local", "state", "cox")
}
