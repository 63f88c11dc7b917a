package fake_test

import (
	"strconv"
	"testing"
	"time"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/kubelet/runtime"
	"github.com/coxswain-hpc/coxswain/kubelet/runtime/fake"
	"github.com/coxswain-hpc/coxswain/kubelet/runtime/runtimetest"
	"github.com/coxswain-hpc/coxswain/kubelet/shim/shimapi"
)

type harness struct {
	world *fake.World
	next  int
}

func (h *harness) Runtime() runtime.Runtime { return fake.New(h.world) }
func (h *harness) Ready(runtime.Pod)        {}
func (h *harness) Pass(d time.Duration)     { h.world.Advance(d) }
func (h *harness) Lose(pod runtime.Pod)     { h.world.Lose(pod) }

func (h *harness) Pod(does runtimetest.Behaviour) (runtime.Pod, shimapi.Spec) {
	h.next++
	return runtime.Pod{Dir: strconv.Itoa(h.next)}, shimapi.Spec{Pod: strconv.Itoa(h.next), Argv: []string{string(does)}}
}

func plan(_ api.PodKey, spec shimapi.Spec) fake.Plan {
	switch runtimetest.Behaviour(spec.Argv[0]) {
	case runtimetest.ExitsWith3:
		return fake.Plan{Code: 3}
	case runtimetest.IgnoresTERM:
		return fake.Plan{After: -1, Stubborn: true}
	case runtimetest.CannotStart:
		return fake.Plan{Fail: &shimapi.StartError{Step: shimapi.StepWorkdir, User: true}}
	case runtimetest.RunsOn:
	}
	return fake.Plan{After: -1}
}

func TestSuite(t *testing.T) {
	t.Parallel()
	runtimetest.Run(t, func(*testing.T) runtimetest.Harness {
		return &harness{world: fake.NewWorld(time.Unix(1000, 0), plan)}
	})
}
