package store

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/coxswain-hpc/coxswain/api"
)

// The first round trip of a commit. These four stand here and not in query/, since sqlc can't
// pipeline statements with results. The jobs and nodes stay locked until the end, so that what the
// guards found stays true.
const (
	sqlFence     = `SELECT 1 FROM leader WHERE leader.term = $1 FOR KEY SHARE`
	sqlGuardJobs = `SELECT job.id, job.generation, job.ended_at IS NOT NULL FROM job
		WHERE job.id = ANY($1::bigint[]) ORDER BY job.id FOR NO KEY UPDATE`
	sqlGuardNodes = `SELECT node.name, node.generation FROM node
		WHERE node.name = ANY($1::text[]) ORDER BY node.name FOR SHARE`
	// IS NULL would tempt Postgres to read all live pods.
	sqlGuardLive = `SELECT p.owner, p.idx, p.rank, p.attempt
		FROM (SELECT unnest($1::bigint[]) AS owner, unnest($2::bigint[]) AS idx,
			unnest($3::integer[]) AS rank) AS k
		JOIN pod AS p ON p.owner = k.owner AND p.idx = k.idx AND p.rank = k.rank
		WHERE COALESCE(p.released_at, 'infinity') = 'infinity'`
)

// guards is what the store has of the things that a commit builds on.
type guards struct {
	leads bool
	jobs  map[api.JobID]guardedJob
	nodes map[string]int64
	live  map[api.Instance][]api.PodKey
}

type guardedJob struct {
	generation int64
	ended      bool
}

func readGuards(ctx context.Context, conn *pgxpool.Conn, term int64, c api.Commit) (*guards, error) {
	g := &guards{
		jobs: map[api.JobID]guardedJob{}, nodes: map[string]int64{}, live: map[api.Instance][]api.PodKey{},
	}
	results := conn.SendBatch(ctx, g.batch(term, c))
	if err := errors.Join(results.Close()); err != nil {
		return nil, err
	}
	if !g.leads {
		return nil, notLeader(term)
	}
	return g, nil
}

func (g *guards) batch(term int64, c api.Commit) *pgx.Batch {
	jobs, nodes, binds := guardedKeys(c)
	batch := &pgx.Batch{}
	batch.Queue("BEGIN")
	batch.Queue(sqlFence, term).Query(func(rows pgx.Rows) error {
		g.leads = rows.Next()
		rows.Close()
		return rows.Err() //nolint:wrapcheck // Commit interprets it
	})
	if len(jobs) > 0 {
		batch.Queue(sqlGuardJobs, jobs).Query(g.readJobs)
	}
	if len(nodes) > 0 {
		batch.Queue(sqlGuardNodes, nodes).Query(g.readNodes)
	}
	if binds.len() > 0 {
		batch.Queue(sqlGuardLive, binds.owners, binds.indices, binds.ranks).Query(g.readLive)
	}
	return batch
}

// guardedKeys are the jobs, nodes and instances that the commit builds on. Nodes whose state
// changes are locked here too, in the same order as all others.
func guardedKeys(c api.Commit) (jobs []int64, nodes []string, binds podKeys) {
	names := map[string]bool{}
	for _, unit := range c.Jobs {
		jobs = append(jobs, int64(unit.ID))
		for name := range unit.NodeGenerations {
			names[name] = true
		}
		for _, pod := range unit.Binds {
			binds.add(pod.Key)
		}
	}
	return jobs, sortedKeys(names), binds
}

func (g *guards) readJobs(rows pgx.Rows) error {
	var id api.JobID
	var job guardedJob
	_, err := pgx.ForEachRow(rows, []any{&id, &job.generation, &job.ended}, func() error {
		g.jobs[id] = job
		return nil
	})
	return err //nolint:wrapcheck // Commit interprets it
}

func (g *guards) readNodes(rows pgx.Rows) error {
	var name string
	var generation int64
	_, err := pgx.ForEachRow(rows, []any{&name, &generation}, func() error {
		g.nodes[name] = generation
		return nil
	})
	return err //nolint:wrapcheck // Commit interprets it
}

func (g *guards) readLive(rows pgx.Rows) error {
	var key api.PodKey
	_, err := pgx.ForEachRow(rows, []any{&key.Owner, &key.Index, &key.Rank, &key.Attempt}, func() error {
		g.live[key.Instance] = append(g.live[key.Instance], key)
		return nil
	})
	return err //nolint:wrapcheck // Commit interprets it
}

// sift tells the units that still hold from those that don't.
func (g *guards) sift(units []api.JobCommit) (holding []api.JobCommit, refused []api.JobID) {
	for _, unit := range units {
		if g.holds(unit) {
			holding = append(holding, unit)
		} else {
			refused = append(refused, unit.ID)
		}
	}
	return holding, refused
}

func (g *guards) holds(unit api.JobCommit) bool {
	job, ok := g.jobs[unit.ID]
	if !ok || job.ended || job.generation != unit.Generation {
		return false
	}
	for name, generation := range unit.NodeGenerations {
		if have, ok := g.nodes[name]; !ok || have != generation {
			return false
		}
	}
	return g.instancesFree(unit)
}

// instancesFree says whether no bind of the unit gives an instance a second live pod. A pod that
// the same unit releases is no hindrance.
func (g *guards) instancesFree(unit api.JobCommit) bool {
	released := map[api.PodKey]bool{}
	addAll(released, unit.Releases)
	taken := map[api.Instance]bool{}
	for _, pod := range unit.Binds {
		if taken[pod.Key.Instance] {
			return false
		}
		taken[pod.Key.Instance] = true
		for _, key := range g.live[pod.Key.Instance] {
			if !released[key] || key == pod.Key {
				return false
			}
		}
	}
	return true
}
