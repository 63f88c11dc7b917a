package daemon

import (
	"github.com/coxswain-hpc/coxswain/apiserver"
	"github.com/coxswain-hpc/coxswain/scheduler/loop"
)

// loopMeasures are the scheduler's numbers for /metrics; docs/metrics.md explains each. On a server
// that does not lead they stand still.
func loopMeasures(leading func() bool, read func() loop.Metrics) []apiserver.Measure {
	counter := func(name, help string, value func(loop.Metrics) float64) apiserver.Measure {
		return apiserver.Measure{
			Name: "cox_scheduler_" + name, Help: help, Counter: true, Value: func() float64 { return value(read()) },
		}
	}
	gauge := func(name, help string, value func(loop.Metrics) float64) apiserver.Measure {
		m := counter(name, help, value)
		m.Counter = false
		return m
	}
	return []apiserver.Measure{
		gauge("leading", "1 on the server that leads, else 0.", func(loop.Metrics) float64 {
			if leading() {
				return 1
			}
			return 0
		}),
		counter("steps_total", "Steps of the loop.", func(m loop.Metrics) float64 { return float64(m.Steps) }),
		counter("failed_steps_total", "Steps that ended with an error.",
			func(m loop.Metrics) float64 { return float64(m.FailedSteps) }),
		counter("step_seconds_total", "Time spent in steps.",
			func(m loop.Metrics) float64 { return m.StepTime.Seconds() }),
		gauge("last_step_seconds", "Time that the last step took.",
			func(m loop.Metrics) float64 { return m.LastStep.Seconds() }),
		counter("cycles_total", "Scheduling cycles.", func(m loop.Metrics) float64 { return float64(m.Cycles) }),
		counter("evaluations_total", "Node evaluations of all cycles.",
			func(m loop.Metrics) float64 { return float64(m.Evaluations) }),
		counter("binds_total", "Pods placed.", func(m loop.Metrics) float64 { return float64(m.Binds) }),
		counter("refused_total", "Changes of a job that the store refused since the job or a node had changed.",
			func(m loop.Metrics) float64 { return float64(m.Refused) }),
		counter("bad_plans_total", "Plans thrown away since they broke an invariant; each one is a bug.",
			func(m loop.Metrics) float64 { return float64(m.BadPlans) }),
		counter("loads_total", "Loads of the whole world from the database.",
			func(m loop.Metrics) float64 { return float64(m.Loads) }),
		gauge("waiting", "Waiting instances of open jobs.", func(m loop.Metrics) float64 { return float64(m.Waiting) }),
		gauge("live", "Instances of open jobs that have a pod.",
			func(m loop.Metrics) float64 { return float64(m.Live) }),
	}
}
