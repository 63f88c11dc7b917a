package apiserver

import (
	"context"
	"net/http"
	"strconv"

	"github.com/coxswain-hpc/coxswain/api"
)

type eventList struct {
	Kind   string `query:"kind" required:"true" doc:"The kind of object: job, node, …"`
	Object string `query:"object" required:"true" doc:"Its number or name"`
	Paging
}

func (s *Server) eventOperations() {
	handle(s, operation("list-events", http.MethodGet, "/v1/events",
		"Read an object's history, oldest first"), s.listEvents)
}

func (s *Server) listEvents(ctx context.Context, in *eventList) (*reply[page[api.Event]], error) {
	after, err := eventPage(in.Page)
	if err != nil {
		return nil, err
	}
	limit := in.limit()
	events, err := s.store.ListEvents(ctx, api.Kind(in.Kind), in.Object, after, limit)
	next := ""
	if len(events) == limit {
		next = strconv.FormatInt(events[limit-1].ID, 10)
	}
	return okPage(events, next, err)
}

func eventPage(text string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		return 0, api.Errorf(api.CodeInvalid, "page must be the next_page of the page before")
	}
	return n, nil
}
