package apiserver_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/api/client"
	"github.com/coxswain-hpc/coxswain/apiserver"
)

// realistic is a submit as the command line sends it: a script of 2 KiB and an environment of 4 KiB.
func realistic(n int64) api.JobSubmit {
	in := script()
	in.RequestID = fmt.Sprintf("00000000-0000-0000-0000-%012d", n)
	in.Payload.Script = append([]byte("#!/bin/bash\n"), make([]byte, 2<<10)...)
	for i := range 40 {
		in.Payload.Environment = append(in.Payload.Environment, fmt.Sprintf("VARIABLE_%d=%0100d", i, i))
	}
	return in
}

// BenchmarkSubmit measures POST /v1/jobs over the Unix socket by 1 and by 16 clients, on a Postgres
// without fsync: what the server itself costs.
func BenchmarkSubmit(b *testing.B) {
	for _, clients := range []int{1, 16} {
		b.Run(fmt.Sprintf("clients=%d", clients), func(b *testing.B) {
			s := setup(b, asPeers, func(o *apiserver.Options) { o.AllowRootJobs = true })
			var n atomic.Int64
			b.ResetTimer()
			start := time.Now()
			done := make(chan error, clients)
			for range clients {
				go func() { done <- submitMany(s.socket, &n, int64(b.N)) }()
			}
			for range clients {
				require.NoError(b, <-done)
			}
			b.ReportMetric(float64(b.N)/time.Since(start).Seconds(), "submits/s")
		})
	}
}

func submitMany(socket string, n *atomic.Int64, total int64) error {
	c, err := client.New(client.Options{Server: "unix://" + socket, RetryFor: -1})
	if err != nil {
		return err
	}
	defer c.Close()
	for {
		i := n.Add(1)
		if i > total {
			return nil
		}
		if _, err := c.SubmitJob(context.Background(), realistic(i)); err != nil {
			return err
		}
	}
}
