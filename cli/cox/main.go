// Command cox is what people type and install: the commands of users and admins. The server and the
// node agent are in a program of their own inside of it, coxd, so that a command starts in half
// the time: what those need to initialise costs more than a submission.
package main

import (
	"os"
	"runtime"

	"github.com/coxswain-hpc/coxswain/cli"
	"github.com/coxswain-hpc/coxswain/cli/embedded"
)

func main() {
	runtime.GOMAXPROCS(1) // a command waits more than it works, and threads that wake each other cost more than they do
	os.Exit(cli.Main(embedded.Daemons()))
}
