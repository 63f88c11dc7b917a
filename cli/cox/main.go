// Command cox is all of Coxswain in one binary: the user's commands, the server, the node agent
// and the one-machine cluster. Everything is in package cli.
package main

import (
	"os"

	"github.com/coxswain-hpc/coxswain/cli"
)

func main() { os.Exit(cli.Main()) }
