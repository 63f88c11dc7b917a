package store

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/coxswain-hpc/coxswain/api"
	"github.com/coxswain-hpc/coxswain/apiserver/store/internal/db"
)

// This file has the lists whose conditions depend on the request; all others are in query/.

// Page sizes of lists.
const (
	pageDefault = 100
	pageMax     = 1000
)

func pageLimit(limit int) int32 {
	if limit <= 0 {
		return pageDefault
	}
	return int32(min(limit, pageMax))
}

// where is the parts of a WHERE clause with their arguments.
type where struct {
	parts []string
	args  pgx.NamedArgs
}

// when adds a condition on @name if use is set.
func (w *where) when(use bool, condition, name string, value any) {
	if use {
		w.parts = append(w.parts, condition)
		w.args[name] = value
	}
}

// whether adds one of two conditions, written out as the partial indexes have them.
func (w *where) whether(choice *bool, yes, no string) {
	switch {
	case choice == nil:
	case *choice:
		w.parts = append(w.parts, yes)
	default:
		w.parts = append(w.parts, no)
	}
}

func (w *where) sql() string {
	if len(w.parts) == 0 {
		return "true"
	}
	return strings.Join(w.parts, " AND ")
}

// JobFilter says which jobs to list; zero fields don't matter. The newest come first.
type JobFilter struct {
	User      string
	Account   string
	Partition string
	Name      string
	States    []api.JobState
	Ended     *bool
	IDs       []api.JobID
	// Limit is 100 if it is 0, and 1000 at most. Page is the next page of the answer before.
	Limit int
	Page  string
}

// ListJobs lists jobs, newest first; nextPage is empty at the end.
func (s *Store) ListJobs(ctx context.Context, f JobFilter) (jobs []api.Job, nextPage string, err error) {
	before, err := parsePage(f.Page)
	if err != nil {
		return nil, "", err
	}
	limit := pageLimit(f.Limit)
	w := where{args: pgx.NamedArgs{"limit": limit}}
	w.when(f.Page != "", "job.id < @before", "before", before)
	w.when(f.User != "", "job.user_name = @user", "user", f.User)
	w.when(f.Account != "", "job.account = @account", "account", f.Account)
	w.when(f.Partition != "", "job.spec->>'partition' = @partition", "partition", f.Partition)
	w.when(f.Name != "", "job.name = @name", "name", f.Name)
	w.when(len(f.States) > 0, "job.state = ANY(@states)", "states", texts(f.States))
	w.whether(f.Ended, "job.ended_at IS NOT NULL", "job.ended_at IS NULL")
	w.when(len(f.IDs) > 0, "job.id = ANY(@ids)", "ids", int64s(f.IDs))
	rows, err := s.pool.Query(ctx,
		"SELECT job.* FROM job WHERE "+w.sql()+" ORDER BY job.id DESC LIMIT @limit", w.args)
	if err != nil {
		return nil, "", interpretError("list jobs", err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[db.Job])
	if err != nil {
		return nil, "", interpretError("list jobs", err)
	}
	if len(list) == int(limit) {
		nextPage = strconv.FormatInt(list[len(list)-1].ID, 10)
	}
	return jobsOf(list), nextPage, nil
}

func parsePage(page string) (int64, error) {
	if page == "" {
		return 0, nil
	}
	id, err := strconv.ParseInt(page, 10, 64)
	if err != nil {
		return 0, badPage(page)
	}
	return id, nil
}

func badPage(page string) error {
	return api.Errorf(api.CodeInvalid, "%q is no page; use next_page of the answer before", page)
}

func texts[T ~string](list []T) []string {
	out := make([]string, len(list))
	for i, v := range list {
		out[i] = string(v)
	}
	return out
}

// PodFilter says which pods to list; zero fields don't matter. The order is that of the keys.
type PodFilter struct {
	Owner api.JobID
	Index *int64
	Node  string
	User  string
	Live  *bool
	// Limit is 100 if it is 0, and 1000 at most. Page is the next page of the answer before.
	Limit int
	Page  string
}

// podRow is a pod with its job's time limit.
type podRow struct {
	db.Pod
	TimeLimitSeconds int64 `db:"time_limit_seconds"`
}

// ListPods lists pods by key; nextPage is empty at the end.
func (s *Store) ListPods(ctx context.Context, f PodFilter) (pods []api.Pod, nextPage string, err error) {
	limit := pageLimit(f.Limit)
	w := where{args: pgx.NamedArgs{"limit": limit}}
	if err := w.afterPod(f.Page); err != nil {
		return nil, "", err
	}
	w.when(f.Owner != 0, "p.owner = @owner", "owner", int64(f.Owner))
	w.when(f.Index != nil, "p.idx = @index", "index", f.Index)
	w.when(f.Node != "", "p.node = @node", "node", f.Node)
	w.when(f.User != "", "j.user_name = @user", "user", f.User)
	w.whether(f.Live, "p.released_at IS NULL", "p.released_at IS NOT NULL")
	rows, err := s.pool.Query(ctx, `SELECT p.*, (j.spec->>'time_limit_seconds')::bigint AS time_limit_seconds
		FROM pod AS p JOIN job AS j ON j.id = p.owner
		WHERE `+w.sql()+` ORDER BY p.owner, p.idx, p.rank, p.attempt LIMIT @limit`, w.args)
	if err != nil {
		return nil, "", interpretError("list pods", err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[podRow])
	if err != nil {
		return nil, "", interpretError("list pods", err)
	}
	for _, r := range list {
		pods = append(pods, podOf(r.Pod, r.TimeLimitSeconds))
	}
	if len(list) == int(limit) {
		nextPage = podPage(pods[len(pods)-1].Key)
	}
	return pods, nextPage, nil
}

// A page of pods is named by the key before it.
func podPage(k api.PodKey) string {
	return fmt.Sprintf("%d.%d.%d.%d", k.Owner, k.Index, k.Rank, k.Attempt)
}

func (w *where) afterPod(page string) error {
	if page == "" {
		return nil
	}
	var owner, index int64
	var rank, attempt int32
	if _, err := fmt.Sscanf(page, "%d.%d.%d.%d", &owner, &index, &rank, &attempt); err != nil {
		return badPage(page)
	}
	w.parts = append(w.parts,
		"(p.owner, p.idx, p.rank, p.attempt) > (@after_owner, @after_index, @after_rank, @after_attempt)")
	w.args["after_owner"], w.args["after_index"] = owner, index
	w.args["after_rank"], w.args["after_attempt"] = rank, attempt
	return nil
}
