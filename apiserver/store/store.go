package store

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/coxswain-hpc/coxswain/apiserver/store/internal/db"
	"github.com/coxswain-hpc/coxswain/internal/clock"
)

// Options say how to reach the database. DSN is needed; the rest has defaults.
type Options struct {
	// DSN is a Postgres URL or key=value string, direct or through a session pooler.
	DSN string
	// MaxConns bounds the connections of the working pool. Default 16. Four more serve the leader
	// and the bell.
	MaxConns int32
	// Logger defaults to slog.Default, Clock to the machine's.
	Logger *slog.Logger
	Clock  clock.Clock
	// Poll is the longest time between two ticks of the bell. Default 2 s.
	Poll time.Duration
}

// Defaults of Options, and what else bounds connections.
const (
	maxConnsDefault = 16
	minConns        = 2
	pollDefault     = 2 * time.Second
	connectTimeout  = 10 * time.Second
	applicationName = "cox-server"
)

// sessionSettings are no startup parameters, since session poolers refuse those that they don't
// know.
//
// Postgres is kept to the plans that all our statements are written for: a few keys, each looked
// up in an index. A plan that was cached while a table was nearly empty would else read all of it,
// until statistics arrive, in the very minute in which a new cluster's first array runs. And plans are
// made once: for a list of keys the planner guesses ten and thinks that it can do better each time it
// is told how many there are, which costs more than the statement.
//
// A server that is paused in the middle of a transaction must not hold up the leader for long.
const sessionSettings = "SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off; " +
	"SET plan_cache_mode = force_generic_plan; SET jit = off; SET idle_in_transaction_session_timeout = '10s'"

// WithDefaults returns the options with every unset field filled.
func (o Options) WithDefaults() Options {
	if o.MaxConns == 0 {
		o.MaxConns = maxConnsDefault
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Clock == nil {
		o.Clock = clock.Real{}
	}
	if o.Poll == 0 {
		o.Poll = pollDefault
	}
	return o
}

// Store is the durable state. It is safe for concurrent use. Make it with Open, end it with Close.
type Store struct {
	options Options
	pool    *pgxpool.Pool
	q       *db.Queries // statements outside of transactions
	bell    *bell
	log     *slog.Logger

	leaderMu sync.Mutex
	leader   *leaderPool // of the term that this process led last; nil before
}

// Open connects and checks the server: Postgres 15 or newer, no transaction pooler in between. It
// does not touch the schema: that is Migrate.
func Open(ctx context.Context, o Options) (*Store, error) {
	o = o.WithDefaults()
	pool, err := newPool(ctx, o.DSN, applicationName, minConns, o.MaxConns)
	if err != nil {
		return nil, err
	}
	if err := probe(ctx, pool); err != nil {
		pool.Close()
		return nil, err
	}
	log := o.Logger.With(slog.String("component", "store"))
	s := &Store{options: o, pool: pool, q: db.New(pool), log: log}
	s.bell = startBell(ctx, o, log)
	return s, nil
}

// Close ends all connections. Subscribers of the bell hear nothing more.
func (s *Store) Close() {
	s.bell.stop()
	s.leaderMu.Lock()
	defer s.leaderMu.Unlock()
	if s.leader != nil {
		s.leader.pool.Close()
		s.leader = nil
	}
	s.pool.Close()
}

// Ping says whether the database answers.
func (s *Store) Ping(ctx context.Context) error {
	return interpretError("reach the database", s.pool.Ping(ctx))
}

func newPool(ctx context.Context, dsn, name string, minimum, maximum int32) (*pgxpool.Pool, error) {
	config, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return nil, invalidDSN(err)
	}
	config.MinConns, config.MaxConns = min(minimum, maximum), maximum
	config.AfterConnect = func(ctx context.Context, c *pgx.Conn) error {
		registerTypes(c.TypeMap())
		_, err := c.Exec(ctx, sessionSettings)
		return err //nolint:wrapcheck // the pool wraps it
	}
	prepareConn(config.ConnConfig, name)
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, interpretError("open the database", err)
	}
	return pool, nil
}

// prepareConn fills what every connection of ours has.
func prepareConn(config *pgx.ConnConfig, name string) {
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = connectTimeout
	}
	config.RuntimeParams["application_name"] = name
	config.RuntimeParams["timezone"] = "UTC"
}

// connect opens a connection outside of the pools.
func connect(ctx context.Context, dsn, name string) (*pgx.Conn, error) {
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		return nil, invalidDSN(err)
	}
	prepareConn(config, name)
	c, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, interpretError("connect to the database", err)
	}
	return c, nil
}

// newID is 128 random bits, in hex.
func newID() string {
	var b [16]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

func noRows(err error) bool { return errors.Is(err, pgx.ErrNoRows) }

// what names a step for an error message.
func what(format string, args ...any) string { return fmt.Sprintf(format, args...) }
