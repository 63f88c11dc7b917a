package apiserver

import (
	"context"

	"github.com/coxswain-hpc/coxswain/api"
)

// priorityMax bounds the priorities of QOS and partitions.
const priorityMax = 1_000_000_000

func (s *Server) qosOperations() {
	nounOperations(s, noun[api.QOS, api.QOSSpec]{
		singular: "qos", plural: "qos", keepDefault: true,
		get: s.store.GetQOS, list: s.store.ListQOS, put: s.store.PutQOS, remove: s.store.DeleteQOS,
		nameOf:       func(q api.QOS) string { return q.Name },
		generationOf: func(q api.QOS) int64 { return q.Generation },
		check: func(_ context.Context, _ string, spec api.QOSSpec, wrong *fieldErrors) error {
			checkRange("priority", spec.Priority, -priorityMax, priorityMax, wrong)
			return nil
		},
	})
}
