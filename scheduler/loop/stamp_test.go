package loop_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coxswain-hpc/coxswain/api"
)

// The leader before this one had a clock that is ahead of ours: charged time doesn't run backwards.
func TestNoReleaseBeforeTheBind(t *testing.T) {
	t.Parallel()
	b := setup(t, "n1")
	b.store.submit(1, nil)
	b.step()
	bound := b.store.livePods()[0]
	b.clock.Jump(-10 * time.Second)
	b.end(bound.Key, api.PodCompleted, &api.PodExit{})
	p := b.store.pods[bound.Key]
	require.Equal(t, bound.BoundAt, *p.ReleasedAt)
	require.Equal(t, bound.BoundAt, *b.store.job(1).Job.Status.EndedAt)
}
