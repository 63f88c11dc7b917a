package kubelet_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/coxswain-hpc/coxswain/kubelet"
)

// shimBinary is built once from source: tests run the program that ships.
var shimBinary string

// childEnv makes this test binary a kubelet process, which a test can kill.
const childEnv = "COX_KUBELET_TEST_CHILD"

// childOptions are what such a process needs.
type childOptions struct {
	Node, StateDir, CgroupRoot, Shim, Socket string
}

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	if child := os.Getenv(childEnv); child != "" {
		return runChild(child)
	}
	dir, err := os.MkdirTemp("", "cox-kubelet-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if err := os.Chmod(dir, 0o755); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	shimBinary = filepath.Join(dir, "cox-shim")
	build := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", shimBinary, "./shim/cox-shim")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build cox-shim: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// runChild is the life of a kubelet that a test may kill.
func runChild(text string) int {
	var o childOptions
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	k, err := kubelet.New(kubelet.Options{
		Node: o.Node, StateDir: o.StateDir, CgroupRoot: o.CgroupRoot, Shim: o.Shim, Dialer: socketDialer{o.Socket},
		Logger: slog.New(slog.NewTextHandler(os.Stderr, nil)),
	})
	if err == nil {
		err = k.Run(ctx)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}
