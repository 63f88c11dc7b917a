package apiserver

import (
	"context"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/apiserver/store"
)

// feedSource is the store as package watch sees it.
type feedSource struct{ *store.Store }

// Next implements watch.Source.
func (f feedSource) Next(ctx context.Context, since api.Cursor) (api.Touched, api.Cursor, error) {
	page, err := f.Feed(ctx, since, 0)
	return page.Touched, page.Cursor, err
}
