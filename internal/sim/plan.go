package sim

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// Plan is what a seed draws before a run: the cluster's shape, the mix of work and the faults. Every
// mean is the mean time between two such faults, zero for never; every chance is in percent of the
// occasions.
type Plan struct {
	Servers, Nodes int
	NodeCPUs       int
	// FaultTime is how long faults last; JobEvery the mean time between two submits.
	FaultTime, JobEvery time.Duration
	JobsMax             int
	JobSeconds          int // the mean length of a pod
	ArrayTasks          int // the most tasks of an array
	Gangs, Dependencies bool
	LongScripts         bool // too long for one welcome
	Wishes              int  // chance that a user's next act is a wish about an old job

	ServerCrash, ServerPause, StoreOutage, StoreCut time.Duration
	Partition, Break, Flap                          time.Duration
	KubeletCrash, Reboot, NodeDeath, ShimLost       time.Duration
	DropFeed, Drain, Offer, Shut                    time.Duration

	LostAnswer, StoreError, PauseInCommit, LostBell, SlowStore int
	StartFails, StartDelays, LostCheckpoint                    int
	// DelayMax is the longest way of a message, SkewMax the largest error of a server's wall clock.
	DelayMax, SkewMax time.Duration
}

// String is one line for people who look at a failed run.
func (p Plan) String() string { type plain Plan; return fmt.Sprintf("%+v", plain(p)) }

// drawPlan draws. Many faults are off in a run, and nearly all in some, so that the others are met alone:
// under too many faults none has its full effect.
func drawPlan(r *rand.Rand) Plan {
	p := Plan{
		Servers: 1 + r.IntN(3), Nodes: 1 + r.IntN(6), NodeCPUs: 1 + r.IntN(8),
		FaultTime: time.Duration(6+r.IntN(20)) * time.Minute,
		JobEvery:  time.Duration(1+r.IntN(20)) * time.Second, JobSeconds: 1 + r.IntN(120),
		ArrayTasks: 1 + r.IntN(30), Gangs: r.IntN(3) == 0, Dependencies: r.IntN(2) == 0,
		LongScripts: r.IntN(6) == 0, Wishes: r.IntN(60),
	}
	p.JobsMax = jobsFor(p)
	oneOf := 2
	if r.IntN(3) == 0 {
		oneOf = 7
	}
	for _, mean := range []*time.Duration{
		&p.ServerCrash, &p.ServerPause, &p.StoreOutage, &p.StoreCut, &p.Partition, &p.Break, &p.Flap,
		&p.KubeletCrash, &p.Reboot, &p.NodeDeath, &p.ShimLost, &p.DropFeed, &p.Drain, &p.Offer, &p.Shut,
	} {
		if r.IntN(oneOf) == 0 {
			*mean = time.Duration(20+r.IntN(200)) * time.Second
		}
	}
	for _, chance := range []*int{
		&p.LostAnswer, &p.StoreError, &p.PauseInCommit, &p.LostBell, &p.SlowStore, &p.StartFails, &p.StartDelays,
		&p.LostCheckpoint,
	} {
		if r.IntN(oneOf) == 0 {
			*chance = 1 + r.IntN(15)
		}
	}
	p.DelayMax = time.Duration(1+r.IntN(5)) * time.Millisecond
	if r.IntN(3) == 0 {
		p.DelayMax = time.Duration(1+r.IntN(3000)) * time.Millisecond
	}
	if r.IntN(3) == 0 {
		p.SkewMax = time.Duration(1+r.IntN(20)) * time.Second
	}
	return p
}

// workMax is the work of a run in seconds for each CPU: it keeps the time to rest within bounds.
const workMax = 4000

// jobsFor is how many jobs a run may have.
func jobsFor(p Plan) int {
	const arraysAreOneOf, fewest, most = 3, 10, 200
	each := p.JobSeconds * (1 + p.ArrayTasks/2/arraysAreOneOf) * (1 + p.NodeCPUs/4)
	return max(fewest, min(most, workMax*p.Nodes*p.NodeCPUs/each))
}

// percent is true with the given chance.
func percent(r *rand.Rand, chance int) bool { return chance > 0 && r.IntN(100) < chance }

// upTo draws a duration from zero to most.
func upTo(r *rand.Rand, most time.Duration) time.Duration {
	return time.Duration(r.Int64N(int64(most) + 1))
}

// around draws a time with the given mean, bounded so that a run can be planned.
func around(r *rand.Rand, mean time.Duration) time.Duration {
	const longest = 6
	return min(time.Duration(r.ExpFloat64()*float64(mean)), longest*mean)
}
