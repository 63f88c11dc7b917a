-- The result of all migrations, written by go test ./migrations -update. Never edited.

CREATE TABLE public.account (
    name text NOT NULL,
    generation bigint DEFAULT 1 NOT NULL,
    spec jsonb NOT NULL
);

CREATE TABLE public.authority (
    id smallint DEFAULT 1 NOT NULL,
    certificate bytea NOT NULL,
    sealed_key bytea NOT NULL,
    created_at timestamp with time zone NOT NULL,
    CONSTRAINT authority_id_check CHECK ((id = 1))
);

CREATE TABLE public.enrolment (
    node text NOT NULL,
    id text NOT NULL,
    CONSTRAINT enrolment_id_check CHECK ((id <> ''::text))
);

CREATE TABLE public.event (
    id bigint NOT NULL,
    at timestamp with time zone NOT NULL,
    kind text NOT NULL,
    object text NOT NULL,
    pod jsonb,
    reason text NOT NULL,
    message text NOT NULL,
    actor text NOT NULL
);

ALTER TABLE public.event ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.event_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.feed (
    at timestamp with time zone NOT NULL,
    xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    touched jsonb NOT NULL
)
PARTITION BY RANGE (at);

CREATE TABLE public.feed_default (
    at timestamp with time zone NOT NULL,
    xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    touched jsonb NOT NULL
);

CREATE TABLE public.job (
    id bigint NOT NULL,
    request_id text,
    user_name text NOT NULL,
    account text NOT NULL,
    name text NOT NULL,
    generation bigint DEFAULT 1 NOT NULL,
    spec jsonb NOT NULL,
    submitted_at timestamp with time zone NOT NULL,
    cancel_wanted boolean DEFAULT false NOT NULL,
    cancel_by text DEFAULT ''::text NOT NULL,
    requeue_wanted bigint DEFAULT 0 NOT NULL,
    state text DEFAULT 'pending'::text NOT NULL,
    reason text DEFAULT ''::text NOT NULL,
    message text DEFAULT ''::text NOT NULL,
    waiting int8multirange NOT NULL,
    released int8multirange DEFAULT '{}'::int8multirange NOT NULL,
    counts jsonb NOT NULL,
    exit_code integer DEFAULT 0 NOT NULL,
    eligible_at timestamp with time zone,
    started_at timestamp with time zone,
    ended_at timestamp with time zone,
    restarts integer DEFAULT 0 NOT NULL,
    requeue_served bigint DEFAULT 0 NOT NULL,
    CONSTRAINT job_check CHECK (((ended_at IS NOT NULL) = (state <> ALL (ARRAY['pending'::text, 'running'::text])))),
    CONSTRAINT job_state_check CHECK ((state = ANY (ARRAY['pending'::text, 'running'::text, 'completed'::text, 'failed'::text, 'timeout'::text, 'out_of_memory'::text, 'node_failed'::text, 'cancelled'::text])))
)
WITH (fillfactor='70');

CREATE TABLE public.job_dependency (
    job_id bigint NOT NULL,
    "position" smallint NOT NULL,
    kind text NOT NULL,
    on_job bigint NOT NULL,
    on_index bigint NOT NULL,
    delay_seconds bigint DEFAULT 0 NOT NULL,
    verdict text DEFAULT 'open'::text NOT NULL,
    CONSTRAINT job_dependency_kind_check CHECK ((kind = ANY (ARRAY['after'::text, 'afterany'::text, 'afterok'::text, 'afternotok'::text, 'aftercorr'::text, 'singleton'::text]))),
    CONSTRAINT job_dependency_verdict_check CHECK ((verdict = ANY (ARRAY['open'::text, 'met'::text, 'failed'::text])))
);

CREATE SEQUENCE public.job_id
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

CREATE TABLE public.job_index (
    job_id bigint NOT NULL,
    ordinal bigint NOT NULL,
    idx bigint NOT NULL,
    rank integer DEFAULT 0 NOT NULL,
    held boolean DEFAULT false NOT NULL,
    cancel_wanted boolean DEFAULT false NOT NULL,
    requeue_wanted boolean DEFAULT false NOT NULL,
    requeue_seen boolean DEFAULT false NOT NULL,
    task_id bigint DEFAULT 0 NOT NULL,
    attempt integer DEFAULT 0 NOT NULL,
    retries integer DEFAULT 0 NOT NULL,
    not_before timestamp with time zone,
    excluded_nodes text[] DEFAULT '{}'::text[] NOT NULL
);

CREATE TABLE public.job_payload (
    job_id bigint NOT NULL,
    script bytea NOT NULL,
    environment bytea NOT NULL,
    login_env boolean DEFAULT false NOT NULL
);

CREATE TABLE public.leader (
    term bigint NOT NULL,
    holder text NOT NULL,
    beat bigint NOT NULL
);

CREATE TABLE public.mail (
    id bigint NOT NULL,
    job_id bigint NOT NULL,
    idx bigint NOT NULL,
    attempt integer NOT NULL,
    event text NOT NULL,
    state text NOT NULL,
    message text NOT NULL,
    at timestamp with time zone NOT NULL,
    not_before timestamp with time zone NOT NULL,
    tries integer DEFAULT 0 NOT NULL
);

ALTER TABLE public.mail ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.mail_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.meta (
    id smallint DEFAULT 1 NOT NULL,
    cluster_name text NOT NULL,
    epoch text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    feed_dropped xid8 DEFAULT '0'::xid8 NOT NULL,
    CONSTRAINT meta_id_check CHECK ((id = 1))
);

CREATE TABLE public.node (
    name text NOT NULL,
    generation bigint DEFAULT 1 NOT NULL,
    spec jsonb DEFAULT '{}'::jsonb NOT NULL,
    inventory jsonb NOT NULL,
    conditions jsonb DEFAULT '[]'::jsonb NOT NULL,
    boot_id text NOT NULL,
    kubelet_version text NOT NULL,
    registered_at timestamp with time zone NOT NULL,
    state text NOT NULL,
    since timestamp with time zone NOT NULL,
    CONSTRAINT node_state_check CHECK ((state = ANY (ARRAY['ready'::text, 'suspect'::text, 'down'::text])))
);

CREATE TABLE public.node_lease (
    node text NOT NULL,
    boot_id text NOT NULL,
    seq bigint NOT NULL
)
WITH (fillfactor='50');

CREATE TABLE public.partition (
    name text NOT NULL,
    generation bigint DEFAULT 1 NOT NULL,
    spec jsonb NOT NULL
);

CREATE TABLE public.pod (
    owner bigint NOT NULL,
    idx bigint NOT NULL,
    rank integer NOT NULL,
    attempt integer NOT NULL,
    ordinal bigint NOT NULL,
    task_id bigint NOT NULL,
    role text NOT NULL,
    node text NOT NULL,
    class text NOT NULL,
    cpu_millis bigint NOT NULL,
    memory_bytes bigint NOT NULL,
    cpus text DEFAULT ''::text NOT NULL,
    term bigint NOT NULL,
    bound_at timestamp with time zone NOT NULL,
    state text NOT NULL,
    started_at timestamp with time zone,
    ended_at timestamp with time zone,
    exit jsonb,
    stop jsonb,
    released_at timestamp with time zone,
    CONSTRAINT pod_check CHECK (((ended_at IS NOT NULL) = (state <> ALL (ARRAY['bound'::text, 'running'::text])))),
    CONSTRAINT pod_check1 CHECK (((released_at IS NULL) OR (ended_at IS NOT NULL))),
    CONSTRAINT pod_class_check CHECK ((class = ANY (ARRAY['guaranteed'::text, 'burstable'::text, 'besteffort'::text]))),
    CONSTRAINT pod_state_check CHECK ((state = ANY (ARRAY['bound'::text, 'running'::text, 'completed'::text, 'failed'::text, 'timeout'::text, 'out_of_memory'::text, 'cancelled'::text, 'preempted'::text, 'node_failed'::text, 'shim_lost'::text, 'refused'::text, 'start_failed'::text])))
)
PARTITION BY RANGE (owner);

CREATE TABLE public.pod_0 (
    owner bigint NOT NULL,
    idx bigint NOT NULL,
    rank integer NOT NULL,
    attempt integer NOT NULL,
    ordinal bigint NOT NULL,
    task_id bigint NOT NULL,
    role text NOT NULL,
    node text NOT NULL,
    class text NOT NULL,
    cpu_millis bigint NOT NULL,
    memory_bytes bigint NOT NULL,
    cpus text DEFAULT ''::text NOT NULL,
    term bigint NOT NULL,
    bound_at timestamp with time zone NOT NULL,
    state text NOT NULL,
    started_at timestamp with time zone,
    ended_at timestamp with time zone,
    exit jsonb,
    stop jsonb,
    released_at timestamp with time zone,
    CONSTRAINT pod_check CHECK (((ended_at IS NOT NULL) = (state <> ALL (ARRAY['bound'::text, 'running'::text])))),
    CONSTRAINT pod_check1 CHECK (((released_at IS NULL) OR (ended_at IS NOT NULL))),
    CONSTRAINT pod_class_check CHECK ((class = ANY (ARRAY['guaranteed'::text, 'burstable'::text, 'besteffort'::text]))),
    CONSTRAINT pod_state_check CHECK ((state = ANY (ARRAY['bound'::text, 'running'::text, 'completed'::text, 'failed'::text, 'timeout'::text, 'out_of_memory'::text, 'cancelled'::text, 'preempted'::text, 'node_failed'::text, 'shim_lost'::text, 'refused'::text, 'start_failed'::text])))
)
WITH (fillfactor='70');

CREATE TABLE public.pod_1 (
    owner bigint NOT NULL,
    idx bigint NOT NULL,
    rank integer NOT NULL,
    attempt integer NOT NULL,
    ordinal bigint NOT NULL,
    task_id bigint NOT NULL,
    role text NOT NULL,
    node text NOT NULL,
    class text NOT NULL,
    cpu_millis bigint NOT NULL,
    memory_bytes bigint NOT NULL,
    cpus text DEFAULT ''::text NOT NULL,
    term bigint NOT NULL,
    bound_at timestamp with time zone NOT NULL,
    state text NOT NULL,
    started_at timestamp with time zone,
    ended_at timestamp with time zone,
    exit jsonb,
    stop jsonb,
    released_at timestamp with time zone,
    CONSTRAINT pod_check CHECK (((ended_at IS NOT NULL) = (state <> ALL (ARRAY['bound'::text, 'running'::text])))),
    CONSTRAINT pod_check1 CHECK (((released_at IS NULL) OR (ended_at IS NOT NULL))),
    CONSTRAINT pod_class_check CHECK ((class = ANY (ARRAY['guaranteed'::text, 'burstable'::text, 'besteffort'::text]))),
    CONSTRAINT pod_state_check CHECK ((state = ANY (ARRAY['bound'::text, 'running'::text, 'completed'::text, 'failed'::text, 'timeout'::text, 'out_of_memory'::text, 'cancelled'::text, 'preempted'::text, 'node_failed'::text, 'shim_lost'::text, 'refused'::text, 'start_failed'::text])))
)
WITH (fillfactor='70');

CREATE TABLE public.pod_signal (
    id bigint NOT NULL,
    owner bigint NOT NULL,
    idx bigint NOT NULL,
    rank integer NOT NULL,
    attempt integer NOT NULL,
    node text NOT NULL,
    signal text NOT NULL,
    batch_only boolean NOT NULL,
    created_at timestamp with time zone NOT NULL
);

ALTER TABLE public.pod_signal ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.pod_signal_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.qos (
    name text NOT NULL,
    generation bigint DEFAULT 1 NOT NULL,
    spec jsonb NOT NULL
);

CREATE TABLE public.server (
    id text NOT NULL,
    url text NOT NULL,
    version text NOT NULL,
    started_at timestamp with time zone NOT NULL,
    beat bigint DEFAULT 0 NOT NULL
);

CREATE TABLE public.token (
    id text NOT NULL,
    use text NOT NULL,
    secret_hash bytea NOT NULL,
    user_name text,
    comment text DEFAULT ''::text NOT NULL,
    created_by text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    used_at timestamp with time zone,
    revoked_at timestamp with time zone,
    CONSTRAINT token_check CHECK (((use = 'join'::text) OR (user_name IS NOT NULL))),
    CONSTRAINT token_use_check CHECK ((use = ANY (ARRAY['user'::text, 'join'::text])))
);

CREATE TABLE public.users (
    name text NOT NULL,
    generation bigint DEFAULT 1 NOT NULL,
    spec jsonb NOT NULL
);

ALTER TABLE ONLY public.feed ATTACH PARTITION public.feed_default DEFAULT;

ALTER TABLE ONLY public.pod ATTACH PARTITION public.pod_0 FOR VALUES FROM ('0') TO ('10000000');

ALTER TABLE ONLY public.pod ATTACH PARTITION public.pod_1 FOR VALUES FROM ('10000000') TO ('20000000');

ALTER TABLE ONLY public.account
    ADD CONSTRAINT account_pkey PRIMARY KEY (name);

ALTER TABLE ONLY public.authority
    ADD CONSTRAINT authority_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.enrolment
    ADD CONSTRAINT enrolment_pkey PRIMARY KEY (node);

ALTER TABLE ONLY public.event
    ADD CONSTRAINT event_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.job_dependency
    ADD CONSTRAINT job_dependency_pkey PRIMARY KEY (job_id, "position");

ALTER TABLE ONLY public.job_index
    ADD CONSTRAINT job_index_pkey PRIMARY KEY (job_id, ordinal, rank);

ALTER TABLE ONLY public.job_payload
    ADD CONSTRAINT job_payload_pkey PRIMARY KEY (job_id);

ALTER TABLE ONLY public.job
    ADD CONSTRAINT job_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.job
    ADD CONSTRAINT job_request_id_key UNIQUE (request_id);

ALTER TABLE ONLY public.leader
    ADD CONSTRAINT leader_pkey PRIMARY KEY (term);

ALTER TABLE ONLY public.mail
    ADD CONSTRAINT mail_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.meta
    ADD CONSTRAINT meta_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.node_lease
    ADD CONSTRAINT node_lease_pkey PRIMARY KEY (node);

ALTER TABLE ONLY public.node
    ADD CONSTRAINT node_pkey PRIMARY KEY (name);

ALTER TABLE ONLY public.partition
    ADD CONSTRAINT partition_pkey PRIMARY KEY (name);

ALTER TABLE ONLY public.pod
    ADD CONSTRAINT pod_pkey PRIMARY KEY (owner, idx, rank, attempt);

ALTER TABLE ONLY public.pod_0
    ADD CONSTRAINT pod_0_pkey PRIMARY KEY (owner, idx, rank, attempt);

ALTER TABLE ONLY public.pod_1
    ADD CONSTRAINT pod_1_pkey PRIMARY KEY (owner, idx, rank, attempt);

ALTER TABLE ONLY public.pod_signal
    ADD CONSTRAINT pod_signal_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.qos
    ADD CONSTRAINT qos_pkey PRIMARY KEY (name);

ALTER TABLE ONLY public.server
    ADD CONSTRAINT server_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.token
    ADD CONSTRAINT token_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.users
    ADD CONSTRAINT users_pkey PRIMARY KEY (name);

CREATE INDEX event_object ON public.event USING btree (kind, object, id);

CREATE INDEX feed_xid ON ONLY public.feed USING btree (xid);

CREATE INDEX feed_default_xid_idx ON public.feed_default USING btree (xid);

CREATE INDEX job_dependency_on ON public.job_dependency USING btree (on_job) WHERE (verdict = 'open'::text);

CREATE INDEX job_name ON public.job USING btree (user_name, name) WHERE (ended_at IS NULL);

CREATE INDEX job_open ON public.job USING btree (id) WHERE (ended_at IS NULL);

CREATE INDEX job_user ON public.job USING btree (user_name, id DESC);

CREATE INDEX mail_due ON public.mail USING btree (not_before, id);

CREATE INDEX pod_live ON ONLY public.pod USING btree (node) WHERE (released_at IS NULL);

CREATE INDEX pod_0_node_idx ON public.pod_0 USING btree (node) WHERE (released_at IS NULL);

CREATE INDEX pod_task ON ONLY public.pod USING btree (task_id);

CREATE INDEX pod_0_task_id_idx ON public.pod_0 USING btree (task_id);

CREATE INDEX pod_1_node_idx ON public.pod_1 USING btree (node) WHERE (released_at IS NULL);

CREATE INDEX pod_1_task_id_idx ON public.pod_1 USING btree (task_id);

CREATE INDEX pod_signal_node ON public.pod_signal USING btree (node);

ALTER INDEX public.feed_xid ATTACH PARTITION public.feed_default_xid_idx;

ALTER INDEX public.pod_live ATTACH PARTITION public.pod_0_node_idx;

ALTER INDEX public.pod_pkey ATTACH PARTITION public.pod_0_pkey;

ALTER INDEX public.pod_task ATTACH PARTITION public.pod_0_task_id_idx;

ALTER INDEX public.pod_live ATTACH PARTITION public.pod_1_node_idx;

ALTER INDEX public.pod_pkey ATTACH PARTITION public.pod_1_pkey;

ALTER INDEX public.pod_task ATTACH PARTITION public.pod_1_task_id_idx;

ALTER TABLE ONLY public.job_dependency
    ADD CONSTRAINT job_dependency_job_id_fkey FOREIGN KEY (job_id) REFERENCES public.job(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.job_index
    ADD CONSTRAINT job_index_job_id_fkey FOREIGN KEY (job_id) REFERENCES public.job(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.job_payload
    ADD CONSTRAINT job_payload_job_id_fkey FOREIGN KEY (job_id) REFERENCES public.job(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.mail
    ADD CONSTRAINT mail_job_id_fkey FOREIGN KEY (job_id) REFERENCES public.job(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.node_lease
    ADD CONSTRAINT node_lease_node_fkey FOREIGN KEY (node) REFERENCES public.node(name) ON DELETE CASCADE;
