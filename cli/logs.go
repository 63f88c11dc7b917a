package cli

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/api/client"
)

func newLogs(a *app) *cobra.Command {
	var stderr, follow bool
	var offset int64
	c := &cobra.Command{
		Use: "logs JOB", Short: "Print a job's output; -f: as it comes", Args: args(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			ref, err := parseJobRef(args[0])
			if err != nil {
				return err
			}
			index, err := ref.index()
			if err != nil {
				return err
			}
			r := client.LogsRequest{Job: ref.ID, Index: index, Stream: "stdout", Offset: offset, Follow: follow}
			if stderr {
				r.Stream = "stderr"
			}
			return a.logs(c.Context(), r)
		},
	}
	flags := c.Flags()
	flags.BoolVarP(&follow, "follow", "f", false, "go on until the job ends")
	flags.BoolVarP(&stderr, "stderr", "e", false, "the error output, where it has a file of its own")
	flags.Int64Var(&offset, "offset", 0, "begin at this byte")
	return c
}

func (a *app) logs(ctx context.Context, r client.LogsRequest) error {
	cl, err := a.client()
	if err != nil {
		return err
	}
	session, err := cl.Logs(ctx, r)
	if err != nil {
		return err
	}
	defer session.Close()
	for {
		frame, err := session.Receive(ctx)
		if errors.Is(err, client.ErrSessionEnded) {
			return nil
		}
		if err != nil {
			return err
		}
		done, err := copyFrame(a.Stdout, a.Stderr, frame)
		if done || err != nil {
			return err
		}
	}
}

// frameEOF ends a session of logs.
const frameEOF = "eof"

// copyFrame writes what a frame carries; done says that it was the last one.
func copyFrame(stdout, stderr io.Writer, frame api.SessionFrame) (done bool, err error) {
	switch frame.Kind {
	case "stderr":
		_, err = stderr.Write(frame.Data)
	case frameEOF, "exit":
		return true, nil
	default:
		_, err = stdout.Write(frame.Data)
	}
	if err != nil {
		return true, fmt.Errorf("write output: %w", err)
	}
	return false, nil
}
