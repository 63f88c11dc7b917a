-- +goose Up

-- One row: the store's identity. A restore from backup gets a new epoch (cox server --new-epoch).
CREATE TABLE meta (
    id           smallint PRIMARY KEY DEFAULT 1 CHECK (id = 1),
    cluster_name text        NOT NULL,
    epoch        text        NOT NULL,
    created_at   timestamptz NOT NULL,
    -- The highest transaction whose feed row was dropped by age: older cursors are gone.
    feed_dropped xid8        NOT NULL DEFAULT '0'
);

-- Jobs, deployments and array tasks share one sequence, so that each number means one thing.
CREATE SEQUENCE job_id AS bigint MINVALUE 1;

-- The cluster's authority; the key is sealed with the cluster key file.
CREATE TABLE authority (
    id          smallint PRIMARY KEY DEFAULT 1 CHECK (id = 1),
    certificate bytea       NOT NULL,
    sealed_key  bytea       NOT NULL,
    created_at  timestamptz NOT NULL
);

-- Servers find each other here (url of the TLS listener). beat rises while the server lives.
CREATE TABLE server (
    id         text PRIMARY KEY,
    url        text        NOT NULL,
    version    text        NOT NULL,
    started_at timestamptz NOT NULL,
    beat       bigint      NOT NULL DEFAULT 0
);

-- Exactly one row. Every transaction of the leader begins with
--   SELECT 1 FROM leader WHERE term = $1 FOR KEY SHARE
-- Renewal changes beat (a non-key update, it never waits); takeover changes term (a key update, it
-- waits for the old leader's open transactions).
CREATE TABLE leader (
    term   bigint PRIMARY KEY,
    holder text   NOT NULL,
    beat   bigint NOT NULL
);
INSERT INTO leader (term, holder, beat) VALUES (0, '', 0);

-- One row per writing transaction: which transaction, and what it touched (api.Touched). Read with
-- a pg_snapshot as cursor, so that a late commit is never skipped. Partitions are dropped by age.
CREATE TABLE feed (
    at      timestamptz NOT NULL,
    xid     xid8        NOT NULL DEFAULT pg_current_xact_id(),
    touched jsonb       NOT NULL
) PARTITION BY RANGE (at);
CREATE INDEX feed_xid ON feed (xid);
CREATE TABLE feed_default PARTITION OF feed DEFAULT;

CREATE TABLE account (
    name       text PRIMARY KEY,
    generation bigint NOT NULL DEFAULT 1,
    spec       jsonb  NOT NULL
);

-- A person. (user is a reserved word in SQL; this is the one plural table.)
CREATE TABLE users (
    name       text PRIMARY KEY,
    generation bigint NOT NULL DEFAULT 1,
    spec       jsonb  NOT NULL
);

CREATE TABLE qos (
    name       text PRIMARY KEY,
    generation bigint NOT NULL DEFAULT 1,
    spec       jsonb  NOT NULL
);

CREATE TABLE partition (
    name       text PRIMARY KEY,
    generation bigint NOT NULL DEFAULT 1,
    spec       jsonb  NOT NULL
);

CREATE TABLE token (
    id          text PRIMARY KEY,
    use         text        NOT NULL CHECK (use IN ('user', 'join')),
    secret_hash bytea       NOT NULL,
    user_name   text,
    comment     text        NOT NULL DEFAULT '',
    created_by  text        NOT NULL,
    created_at  timestamptz NOT NULL,
    expires_at  timestamptz NOT NULL,
    used_at     timestamptz,
    revoked_at  timestamptz,
    CHECK (use = 'join' OR user_name IS NOT NULL)
);

-- spec is intent (admins); inventory, conditions, boot_id, version are the kubelet's report (written
-- by API servers); state and since are the leader's. generation rises with spec and inventory.
CREATE TABLE node (
    name            text PRIMARY KEY,
    generation      bigint      NOT NULL DEFAULT 1,
    spec            jsonb       NOT NULL DEFAULT '{}',
    inventory       jsonb       NOT NULL,
    conditions      jsonb       NOT NULL DEFAULT '[]',
    boot_id         text        NOT NULL,
    kubelet_version text        NOT NULL,
    registered_at   timestamptz NOT NULL,
    state           text        NOT NULL CHECK (state IN ('ready', 'suspect', 'down')),
    since           timestamptz NOT NULL
);

-- Lease renewals: narrow, updated in place, outside the feed.
CREATE TABLE node_lease (
    node    text PRIMARY KEY REFERENCES node (name) ON DELETE CASCADE,
    boot_id text   NOT NULL,
    seq     bigint NOT NULL
) WITH (fillfactor = 50);

-- Intent (API servers): spec, generation, user_name … held, cancel_wanted, cancel_by,
-- requeue_wanted. Status (leader): everything from state on.
CREATE TABLE job (
    id             bigint PRIMARY KEY,
    request_id     text UNIQUE,
    user_name      text        NOT NULL,
    account        text        NOT NULL,
    name           text        NOT NULL,
    generation     bigint      NOT NULL DEFAULT 1,
    spec           jsonb       NOT NULL,
    submitted_at   timestamptz NOT NULL,
    cancel_wanted  boolean     NOT NULL DEFAULT false,
    cancel_by      text        NOT NULL DEFAULT '',
    requeue_wanted bigint      NOT NULL DEFAULT 0,

    state          text        NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'running', 'completed',
                       'failed', 'timeout', 'out_of_memory', 'node_failed', 'cancelled')),
    reason         text        NOT NULL DEFAULT '',
    message        text        NOT NULL DEFAULT '',
    waiting        int8multirange NOT NULL,
    released       int8multirange NOT NULL DEFAULT '{}',
    counts         jsonb       NOT NULL,
    exit_code      integer     NOT NULL DEFAULT 0,
    eligible_at    timestamptz,
    started_at     timestamptz,
    ended_at       timestamptz,
    restarts       integer     NOT NULL DEFAULT 0,
    requeue_served bigint      NOT NULL DEFAULT 0,
    -- ended exactly when the state is final
    CHECK ((ended_at IS NOT NULL) = (state NOT IN ('pending', 'running')))
) WITH (fillfactor = 70);
CREATE INDEX job_open ON job (id) WHERE ended_at IS NULL;
CREATE INDEX job_user ON job (user_name, id DESC);
CREATE INDEX job_name ON job (user_name, name) WHERE ended_at IS NULL;

-- The heavy, private part: script and environment. Written once.
CREATE TABLE job_payload (
    job_id      bigint PRIMARY KEY REFERENCES job (id) ON DELETE CASCADE,
    script      bytea   NOT NULL,
    environment bytea   NOT NULL, -- NAME=value entries, each followed by a NUL
    login_env   boolean NOT NULL DEFAULT false
);

-- position counts within the job's spec; the verdict is the leader's.
CREATE TABLE job_dependency (
    job_id   bigint   NOT NULL REFERENCES job (id) ON DELETE CASCADE,
    position smallint NOT NULL,
    kind     text     NOT NULL CHECK (kind IN ('after', 'afterany', 'afterok', 'afternotok', 'aftercorr', 'singleton')),
    on_job   bigint   NOT NULL, -- 0 for singleton
    on_index bigint   NOT NULL, -- -1 for the whole job
    delay_seconds bigint NOT NULL DEFAULT 0,
    verdict  text     NOT NULL DEFAULT 'open' CHECK (verdict IN ('open', 'met', 'failed')),
    PRIMARY KEY (job_id, position)
);
CREATE INDEX job_dependency_on ON job_dependency (on_job) WHERE verdict = 'open';

-- Instances that differ from their job. held, cancel_wanted, requeue_wanted are intent; the rest is
-- the leader's.
CREATE TABLE job_index (
    job_id         bigint  NOT NULL REFERENCES job (id) ON DELETE CASCADE,
    ordinal        bigint  NOT NULL,
    idx            bigint  NOT NULL,
    rank           integer NOT NULL DEFAULT 0,
    held           boolean NOT NULL DEFAULT false,
    cancel_wanted  boolean NOT NULL DEFAULT false,
    requeue_wanted boolean NOT NULL DEFAULT false,
    requeue_seen   boolean NOT NULL DEFAULT false,
    task_id        bigint  NOT NULL DEFAULT 0,
    attempt        integer NOT NULL DEFAULT 0,
    retries        integer NOT NULL DEFAULT 0,
    not_before     timestamptz,
    excluded_nodes text[]  NOT NULL DEFAULT '{}',
    PRIMARY KEY (job_id, ordinal, rank)
);

-- One row per attempt. Three writes in a pod's life (bound by the leader, running and ended from
-- reports) and the leader's release. stop is an order of the leader.
CREATE TABLE pod (
    owner      bigint  NOT NULL,
    idx        bigint  NOT NULL, -- array index, -1 for none
    rank       integer NOT NULL,
    attempt    integer NOT NULL,
    ordinal    bigint  NOT NULL,
    task_id    bigint  NOT NULL,
    role       text    NOT NULL,
    node       text    NOT NULL,
    class      text    NOT NULL CHECK (class IN ('guaranteed', 'burstable', 'besteffort')),
    cpu_millis bigint  NOT NULL,
    memory_bytes bigint NOT NULL,
    cpus       text    NOT NULL DEFAULT '',
    term       bigint  NOT NULL,
    bound_at   timestamptz NOT NULL,
    state      text    NOT NULL CHECK (state IN ('bound', 'running', 'completed', 'failed', 'timeout', 'out_of_memory',
                   'cancelled', 'preempted', 'node_failed', 'shim_lost', 'refused', 'start_failed')),
    started_at timestamptz,
    ended_at   timestamptz,
    exit       jsonb,
    stop       jsonb,
    released_at timestamptz,
    PRIMARY KEY (owner, idx, rank, attempt),
    -- ended exactly when the state is final; released only after that
    CHECK ((ended_at IS NOT NULL) = (state NOT IN ('bound', 'running'))),
    CHECK (released_at IS NULL OR ended_at IS NOT NULL)
) PARTITION BY RANGE (owner);
-- Partitions of ten million owner ids; the store's keeper makes the next ones ahead of the sequence.
CREATE TABLE pod_0 PARTITION OF pod FOR VALUES FROM (0) TO (10000000) WITH (fillfactor = 70);
CREATE TABLE pod_1 PARTITION OF pod FOR VALUES FROM (10000000) TO (20000000) WITH (fillfactor = 70);
CREATE INDEX pod_live ON pod (node) WHERE released_at IS NULL;
CREATE INDEX pod_task ON pod (task_id);

-- Signals on their way to pods: deleted once the node has acknowledged them.
CREATE TABLE pod_signal (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    owner      bigint  NOT NULL,
    idx        bigint  NOT NULL,
    rank       integer NOT NULL,
    attempt    integer NOT NULL,
    node       text    NOT NULL,
    signal     text    NOT NULL,
    batch_only boolean NOT NULL,
    created_at timestamptz NOT NULL
);
CREATE INDEX pod_signal_node ON pod_signal (node);

-- History for people.
CREATE TABLE event (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at      timestamptz NOT NULL,
    kind    text NOT NULL,
    object  text NOT NULL,
    pod     jsonb,
    reason  text NOT NULL,
    message text NOT NULL,
    actor   text NOT NULL
);
CREATE INDEX event_object ON event (kind, object, id);

-- +goose Down
-- Forward only: a downgrade is a restore.
SELECT 1 / 0;
