// Command coxd is all of Coxswain: what cox does, and the server and the node agent besides. It is
// inside cox, which becomes coxd when a daemon is asked for (package embedded).
package main

import (
	"os"

	"github.com/coxswain-hpc/coxswain/cli"
	"github.com/coxswain-hpc/coxswain/cli/daemon"
)

// commFile holds the name that ps and top show.
const commFile = "/proc/self/comm"

func main() {
	// Started through a descriptor, the kernel calls us by its number.
	os.WriteFile(commFile, []byte("cox"), 0) //nolint:errcheck,gosec // only a name
	os.Exit(cli.Main(cli.Daemons{Server: daemon.Server, Kubelet: daemon.Kubelet}))
}
