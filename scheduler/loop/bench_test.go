package loop_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"testing"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/internal/clock"
	"github.com/coxswain-hpc/coxswain/scheduler/loop"
)

// BenchmarkStepOfSubmit is what a submit costs the leader beside the store: one more job where 10,000
// wait behind a full cluster of 100 nodes and one node has room.
func BenchmarkStepOfSubmit(b *testing.B) {
	store, fake := newFakeStore(), clock.NewFake(noon)
	for i := range 100 {
		store.addNode(fmt.Sprintf("n%03d", i), 1)
	}
	l, err := loop.New(loop.Options{
		Store: store, Election: store, Clock: fake, Logger: slog.New(slog.DiscardHandler), Holder: "server-1",
		Rand: rand.New(rand.NewPCG(1, 2)),
	})
	if err != nil {
		b.Fatal(err)
	}
	for i := range 10_100 {
		store.submit(api.JobID(i+1), nil)
	}
	store.addNode("spare", 1)
	for range 10 {
		l.Step(context.Background())
	}
	id := api.JobID(1_000_000)
	b.ResetTimer()
	for range b.N {
		id++
		store.submit(id, func(r *api.JobRecord) { r.Job.Spec.NodeNames = []string{"spare"} })
		l.Step(context.Background())
	}
}
