package main

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coxswain-hpc/coxswain/kubelet/shim/shimapi"
)

func TestTimeline(t *testing.T) {
	t.Parallel()
	const now = int64(1_000 * time.Second)
	spec := shimapi.Spec{
		TimeLimitMS: 60_000, LeaseBoottimeNS: now + int64(90*time.Second),
		Warn: &shimapi.Warn{Signal: 10, BeforeMS: 20_000},
	}
	var times timeline
	require.Zero(t, times.next())
	times.started(spec, now)
	require.Equal(t, now+int64(60*time.Second), times.limit)
	require.Equal(t, now+int64(40*time.Second), times.warn)
	require.Equal(t, now+int64(sampleFirst), times.next())

	require.False(t, take(&times.sample, now))
	require.True(t, take(&times.sample, times.sample))
	require.False(t, take(&times.sample, now+int64(time.Hour)), "once")
	require.Equal(t, times.warn, times.next())
	for range 10 {
		times.sampled(now)
	}
	require.Equal(t, sampleMax, times.sampleEvery)
}

func TestMovedTimeLimit(t *testing.T) {
	t.Parallel()
	warn := &shimapi.Warn{BeforeMS: 100}
	for _, c := range []struct {
		name             string
		limit, now, want int64
	}{
		{"far ahead", 1_000_000_000, 0, 900_000_000},
		{"the warning is due", 50_000_000, 10, 10},
		{"the limit is past", 5, 10, 0},
		{"no limit", 0, 10, 0},
	} {
		var times timeline
		times.setLimit(c.limit, warn, c.now)
		require.Equal(t, c.limit, times.limit, c.name)
		require.Equal(t, c.want, times.warn, c.name)
	}
}

func TestDescendants(t *testing.T) {
	t.Parallel()
	parents := map[int]int{1: 0, 10: 1, 20: 10, 21: 20, 30: 1, 40: 41, 41: 40} // 40 and 41: a torn read
	got := descendants(parents, 10)
	slices.Sort(got)
	require.Equal(t, []int{20, 21}, got)
}
