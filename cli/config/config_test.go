package config_test

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/cli/config"
)

const twoClusters = `
current: home
clusters:
  - name: home
    server: https://login.example:7443
    ca_hash: 0123456789abcdef0123456789abcdef
  - name: lab
    server: unix:///run/cox/cox.sock
identities:
  - name: alice
    token: cox_1_secret
contexts:
  - name: home
    cluster: home
    identity: alice
  - name: lab
    cluster: lab
  - name: broken
    cluster: gone
`

// choice makes a Choice over a file, an environment and existing sockets.
func choice(t *testing.T, file string, env map[string]string, sockets ...string) config.Choice {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.yaml")
	require.NoError(t, os.WriteFile(path, []byte(file), 0o600))
	getenv := func(name string) string {
		if name == "COX_CONFIG" {
			return path
		}
		return env[name]
	}
	exists := func(p string) bool {
		return slices.Contains(sockets, p)
	}
	return config.Choice{Getenv: getenv, Exists: exists}
}

func TestResolve(t *testing.T) {
	t.Parallel()
	const own, system = "/home/alice/.local/state/cox/cox.sock", config.SystemSocket
	home := map[string]string{"HOME": "/home/alice"}
	with := func(more map[string]string) map[string]string {
		env := map[string]string{"HOME": "/home/alice"}
		maps.Copy(env, more)
		return env
	}
	for name, c := range map[string]struct {
		file            string
		env             map[string]string
		server, context string
		sockets         []string
		want            string
		token           string
		code            api.Code
	}{
		"nothing":           {env: home, code: api.CodeUnavailable},
		"own cluster first": {env: home, sockets: []string{own, system}, want: "unix://" + own},
		"the machine's":     {env: home, sockets: []string{system}, want: "unix://" + system},
		"socket by variable": {
			env: with(map[string]string{"COX_SOCKET": "/tmp/s"}), sockets: []string{own},
			want: "unix:///tmp/s",
		},
		"current context": {
			file: twoClusters, env: home, sockets: []string{own},
			want: "https://login.example:7443", token: "cox_1_secret",
		},
		"variable beats file": {
			file: twoClusters, env: with(map[string]string{"COX_CONTEXT": "lab"}),
			want: "unix:///run/cox/cox.sock",
		},
		"flag beats variable": {
			file: twoClusters, env: with(map[string]string{"COX_CONTEXT": "lab"}),
			context: "home", want: "https://login.example:7443", token: "cox_1_secret",
		},
		"server by variable": {
			file: twoClusters, env: with(map[string]string{"COX_SERVER": "https://x:1", "COX_TOKEN": "t"}),
			want: "https://x:1", token: "t",
		},
		"path as server": {env: home, server: "/tmp/cox.sock", want: "unix:///tmp/cox.sock"},
		"context beats server variable": {
			file: twoClusters, env: with(map[string]string{"COX_SERVER": "https://x:1"}), context: "lab",
			want: "unix:///run/cox/cox.sock",
		},
		"token by variable": {
			file: twoClusters, env: with(map[string]string{"COX_TOKEN": "other"}),
			want: "https://login.example:7443", token: "other",
		},
		"unknown context": {file: twoClusters, env: home, context: "nowhere", code: api.CodeNotFound},
		"unknown cluster": {file: twoClusters, env: home, context: "broken", code: api.CodeInvalid},
		"unknown field":   {file: "curent: home\n", env: home, code: api.CodeInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ch := choice(t, c.file, c.env, c.sockets...)
			ch.Server, ch.Context = c.server, c.context
			target, err := config.Resolve(ch)
			require.Equal(t, c.code, api.CodeOf(err), "%v", err)
			if c.code == "" {
				require.Equal(t, c.want, target.Server)
				require.Equal(t, c.token, target.Token)
			}
		})
	}
}

func TestUnknownFieldIsShownWithItsLine(t *testing.T) {
	t.Parallel()
	_, err := config.Resolve(choice(t, "current: home\nclusters:\n  - name: home\n    servr: x\n", nil))
	require.ErrorContains(t, err, "servr")
	require.ErrorContains(t, err, "[4:")
}

func TestSetUseDelete(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "deep", "config.yaml")
	var f config.File
	f.Set("home", config.Cluster{Server: "https://a:1"}, "secret")
	f.Set("lab", config.Cluster{Server: "unix:///s"}, "")
	require.NoError(t, f.Save(path))
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm(), "it holds tokens")

	got, err := config.Load(path)
	require.NoError(t, err)
	require.Equal(t, f, got)
	require.Equal(t, "home", got.Current)
	require.True(t, got.Delete("home"))
	require.False(t, got.Delete("home"))
	require.Empty(t, got.Current)
	require.Empty(t, got.Identities)
	require.Len(t, got.Clusters, 1)
}
