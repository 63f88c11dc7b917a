package test_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"

	"github.com/coxswain-hpc/coxswain/test/cluster"
)

// patience bounds the wait for something that a loaded machine does late.
const (
	patience  = 60 * time.Second
	pollEvery = 50 * time.Millisecond
)

// startCluster starts the cluster that the scripts of a folder share.
func startCluster(t *testing.T) *cluster.Cluster {
	t.Helper()
	cox, err := filepath.Abs(filepath.Join("..", "bin", "cox"))
	require.NoError(t, err)
	require.FileExists(t, cox, "the binary under test is made by `make build`")
	dir, err := os.MkdirTemp("", "cox-test-") //nolint:usetesting // a short path that others may enter
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	c, err := cluster.Start(t.Context(), cluster.Options{
		Cox: cox, Dir: dir, Args: []string{"--allow-root-jobs", "--listen", "127.0.0.1:0"},
	})
	require.NoError(t, err)
	t.Cleanup(func() {
		c.Stop()
		if t.Failed() {
			t.Log(c.Log())
		}
	})
	return c
}

func TestScripts(t *testing.T) { runScripts(t, "script") }

// TestScriptsAlone runs what would hold up the others: each of these wants the nodes for itself.
func TestScriptsAlone(t *testing.T) { runScripts(t, "alone") }

func runScripts(t *testing.T, folder string) {
	t.Helper()
	c := startCluster(t)
	testscript.Run(t, testscript.Params{
		Dir: filepath.Join("testdata", folder),
		Setup: func(env *testscript.Env) error {
			env.Setenv("PATH", filepath.Dir(c.Cox)+string(os.PathListSeparator)+os.Getenv("PATH"))
			env.Setenv("COX_SOCKET", c.Socket)
			env.Setenv("COX_DATA", c.Dir)
			env.Setenv("HOME", env.WorkDir)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": cmdExits, "eventually": cmdEventually, "keep": cmdKeep,
		},
	})
}

// command runs a program in the script's surroundings.
func command(ts *testscript.TestScript, args []string) (stdout, stderr string, code int) {
	path, err := exec.LookPath(args[0])
	if args[0] == "cox" {
		path, err = filepath.Join(strings.SplitN(ts.Getenv("PATH"), string(os.PathListSeparator), 2)[0], "cox"), nil
	}
	ts.Check(err)
	cmd := exec.Command(path, args[1:]...)
	cmd.Dir = ts.MkAbs(".")
	cmd.Env = append(os.Environ(), "PATH="+ts.Getenv("PATH"), "COX_SOCKET="+ts.Getenv("COX_SOCKET"),
		"HOME="+ts.Getenv("HOME"), "PWD="+cmd.Dir)
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	err = cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		ts.Fatalf("%s: %v", args[0], err)
	}
	return out.String(), errOut.String(), cmd.ProcessState.ExitCode()
}

func cmdExits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	stdout, stderr, code := command(ts, args[1:])
	ts.Logf("[stdout]\n%s[stderr]\n%s", stdout, stderr)
	ts.Check(os.WriteFile(ts.MkAbs("out"), []byte(stdout), 0o600))
	ts.Check(os.WriteFile(ts.MkAbs("err"), []byte(stderr), 0o600))
	if code != want {
		ts.Fatalf("%s exited with %d, not %d", strings.Join(args[1:], " "), code, want)
	}
}

func cmdEventually(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: eventually PATTERN COMMAND...")
	}
	pattern, err := regexp.Compile("(?m)" + args[0])
	ts.Check(err)
	deadline := time.Now().Add(patience)
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	for {
		stdout, stderr, _ := command(ts, args[1:])
		if pattern.MatchString(stdout) {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("%q never matched the output of %s:\n%s%s", args[0], strings.Join(args[1:], " "), stdout, stderr)
		}
		<-ticker.C
	}
}

func cmdKeep(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: keep NAME")
	}
	ts.Setenv(args[0], strings.TrimSpace(ts.ReadFile("stdout")))
}
