// Command coxd is all of Coxswain: what cox does, and the server and the node agent besides. It is
// inside cox, which becomes coxd when a daemon is asked for (package embedded).
package main

import (
	"os"
	"path/filepath"

	"github.com/coxswain-hpc/coxswain/cli"
	"github.com/coxswain-hpc/coxswain/cli/daemon"
)

func main() {
	rename()
	os.Exit(cli.Main(cli.Daemons{Server: daemon.Server, Kubelet: daemon.Kubelet}))
}

// rename gives all threads the name that ps and top show: the kernel calls a program that is started
// through a descriptor by its number. Later threads are called like the one that makes them.
func rename() {
	names, _ := filepath.Glob("/proc/self/task/*/comm") // the pattern is good
	for _, name := range names {
		os.WriteFile(name, []byte("cox"), 0) //nolint:errcheck // a thread may have ended; only a name
	}
}
