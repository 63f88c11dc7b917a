package apiserver

import (
	"context"
	"net/http"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/apiserver/store"
)

type podList struct {
	Job  string  `query:"job" doc:"Only the pods of this job"`
	Node string  `query:"node"`
	User string  `query:"user"`
	Live trilean `query:"live" enum:"true,false" doc:"Only pods that hold resources, or only those that don't"`
	Paging
}

func (s *Server) podOperations() {
	handle(s, operation("list-pods", http.MethodGet, "/v1/pods", "List pods"), s.listPods)
}

func (s *Server) listPods(ctx context.Context, in *podList) (*reply[page[api.Pod]], error) {
	filter := store.PodFilter{Node: in.Node, User: in.User, Live: in.Live.pointer(), Limit: in.limit(), Page: in.Page}
	if in.Job != "" {
		job, index, err := s.jobAndIndex(ctx, in.Job)
		if err != nil {
			return nil, err
		}
		filter.Owner = job.ID
		if index != api.NoIndex {
			filter.Index = &index
		}
	}
	pods, next, err := s.store.ListPods(ctx, filter)
	return okPage(pods, next, err)
}
