// Package config says which cluster a command talks to and as whom. It reads the user's file of
// clusters, identities and contexts, the environment and the places of local sockets, and turns
// them into one Target. It makes no connection.
//
// Words. A cluster is an address with its certificate authority, an identity a token, a context a
// pair of both under a name; current is the context that is used when nothing else is said.
package config

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/goccy/go-yaml"

	"github.com/coxswain-hpc/coxswain/api"
)

// File is the user's configuration file.
type File struct {
	Current    string     `yaml:"current,omitempty"`
	Clusters   []Cluster  `yaml:"clusters,omitempty"`
	Identities []Identity `yaml:"identities,omitempty"`
	Contexts   []Context  `yaml:"contexts,omitempty"`
}

// Cluster is where a cluster is.
type Cluster struct {
	Name   string `yaml:"name"`
	Server string `yaml:"server"` // https://host:port or unix:///path
	CA     string `yaml:"ca,omitempty"`
	CAHash string `yaml:"ca_hash,omitempty"` // hexadecimal SHA-256 of the authority's certificate
}

// Identity is who the user is there.
type Identity struct {
	Name  string `yaml:"name"`
	Token string `yaml:"token"`
}

// Context joins a cluster and an identity by name. Identity may be empty on a Unix socket.
type Context struct {
	Name     string `yaml:"name"`
	Cluster  string `yaml:"cluster"`
	Identity string `yaml:"identity,omitempty"`
}

// Path is the place of the file: $COX_CONFIG, else cox/config.yaml in the user's configuration folder.
func Path(getenv func(string) string) string {
	if p := getenv("COX_CONFIG"); p != "" {
		return p
	}
	dir := getenv("XDG_CONFIG_HOME")
	if dir == "" {
		dir = filepath.Join(getenv("HOME"), ".config")
	}
	return filepath.Join(dir, "cox", "config.yaml")
}

// Load reads a file; one that is not there is empty.
func Load(path string) (File, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return File{}, nil
	}
	if err != nil {
		return File{}, api.Errorf(api.CodeInvalid, "read configuration: %w", err)
	}
	var f File
	if len(bytes.TrimSpace(text)) == 0 {
		return f, nil
	}
	if err := yaml.UnmarshalWithOptions(text, &f, yaml.Strict()); err != nil {
		return File{}, api.Errorf(api.CodeInvalid, "%s: %s", path, yaml.FormatError(err, false, true))
	}
	return f, nil
}

// Save writes the file for its owner alone: it holds tokens.
func (f *File) Save(path string) error {
	text, err := yaml.Marshal(f)
	if err != nil {
		return fmt.Errorf("encode configuration: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("save configuration: %w", err)
	}
	next := path + ".new"
	if err := os.WriteFile(next, text, 0o600); err != nil {
		return fmt.Errorf("save configuration: %w", err)
	}
	if err := os.Rename(next, path); err != nil {
		return fmt.Errorf("save configuration: %w", err)
	}
	return nil
}

// Set adds or replaces a context with a cluster and an identity of the same name.
func (f *File) Set(name string, c Cluster, token string) {
	c.Name = name
	f.Clusters = put(f.Clusters, c, func(x Cluster) bool { return x.Name == name })
	ctx := Context{Name: name, Cluster: name}
	if token != "" {
		ctx.Identity = name
		f.Identities = put(f.Identities, Identity{name, token}, func(x Identity) bool { return x.Name == name })
	}
	f.Contexts = put(f.Contexts, ctx, func(x Context) bool { return x.Name == name })
	if f.Current == "" {
		f.Current = name
	}
}

// Delete forgets a context, with the cluster and identity of its name unless another uses them.
func (f *File) Delete(name string) bool {
	before := len(f.Contexts)
	f.Contexts = drop(f.Contexts, func(x Context) bool { return x.Name == name })
	if len(f.Contexts) == before {
		return false
	}
	f.Clusters = drop(f.Clusters, func(x Cluster) bool { return x.Name == name && !f.uses(name, "") })
	f.Identities = drop(f.Identities, func(x Identity) bool { return x.Name == name && !f.uses("", name) })
	if f.Current == name {
		f.Current = ""
	}
	return true
}

func (f *File) uses(cluster, identity string) bool {
	_, ok := find(f.Contexts, func(x Context) bool {
		return cluster != "" && x.Cluster == cluster || identity != "" && x.Identity == identity
	})
	return ok
}

func put[T any](list []T, v T, same func(T) bool) []T {
	for i := range list {
		if same(list[i]) {
			list[i] = v
			return list
		}
	}
	return append(list, v)
}

func drop[T any](list []T, which func(T) bool) []T {
	var out []T
	for _, v := range list {
		if !which(v) {
			out = append(out, v)
		}
	}
	return out
}

func find[T any](list []T, which func(T) bool) (T, bool) {
	for _, v := range list {
		if which(v) {
			return v, true
		}
	}
	var none T
	return none, false
}
