-- Every noun is one JSON document, the same that faces show; the columns that queries, constraints and foreign keys
-- need are generated from it, so that the two can never disagree. n orders rows by the time they were made.

CREATE TABLE settings (
    key   text PRIMARY KEY,
    value text NOT NULL
);

CREATE TABLE projects (
    doc  jsonb NOT NULL,
    n    bigint GENERATED ALWAYS AS IDENTITY,
    id   text GENERATED ALWAYS AS (doc->>'id') STORED PRIMARY KEY,
    name text GENERATED ALWAYS AS (doc->>'name') STORED NOT NULL,
    CONSTRAINT projects_name UNIQUE (name)
);

CREATE TABLE environments (
    doc        jsonb NOT NULL,
    n          bigint GENERATED ALWAYS AS IDENTITY,
    id         text GENERATED ALWAYS AS (doc->>'id') STORED PRIMARY KEY,
    project_id text GENERATED ALWAYS AS (doc->>'project_id') STORED NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    name       text GENERATED ALWAYS AS (doc->>'name') STORED NOT NULL,
    CONSTRAINT environments_name UNIQUE (project_id, name)
);

CREATE TABLE services (
    doc        jsonb NOT NULL,
    n          bigint GENERATED ALWAYS AS IDENTITY,
    id         text GENERATED ALWAYS AS (doc->>'id') STORED PRIMARY KEY,
    project_id text GENERATED ALWAYS AS (doc->>'project_id') STORED NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    name       text GENERATED ALWAYS AS (doc->>'name') STORED NOT NULL,
    CONSTRAINT services_name UNIQUE (project_id, name)
);

CREATE TABLE slots (
    doc            jsonb NOT NULL,
    n              bigint GENERATED ALWAYS AS IDENTITY,
    id             text GENERATED ALWAYS AS (doc->>'id') STORED PRIMARY KEY,
    project_id     text GENERATED ALWAYS AS (doc->>'project_id') STORED NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    environment_id text GENERATED ALWAYS AS (doc->>'environment_id') STORED NOT NULL REFERENCES environments (id) ON DELETE CASCADE,
    service_id     text GENERATED ALWAYS AS (doc->>'service_id') STORED NOT NULL REFERENCES services (id) ON DELETE CASCADE,
    CONSTRAINT slots_place UNIQUE (environment_id, service_id)
);
CREATE INDEX slots_project ON slots (project_id);

-- A host name belongs to one slot of the whole installation.
CREATE TABLE hosts (
    host    text PRIMARY KEY,
    slot_id text NOT NULL REFERENCES slots (id) ON DELETE CASCADE
);
CREATE INDEX hosts_slot ON hosts (slot_id);

CREATE TABLE releases (
    doc        jsonb NOT NULL,
    n          bigint GENERATED ALWAYS AS IDENTITY,
    id         text GENERATED ALWAYS AS (doc->>'id') STORED PRIMARY KEY,
    service_id text GENERATED ALWAYS AS (doc->>'service_id') STORED NOT NULL REFERENCES services (id) ON DELETE CASCADE,
    number     int GENERATED ALWAYS AS ((doc->>'number')::int) STORED NOT NULL,
    CONSTRAINT releases_number UNIQUE (service_id, number)
);

CREATE TABLE deploys (
    doc        jsonb NOT NULL,
    n          bigint GENERATED ALWAYS AS IDENTITY,
    id         text GENERATED ALWAYS AS (doc->>'id') STORED PRIMARY KEY,
    project_id text GENERATED ALWAYS AS (doc->>'project_id') STORED NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    slot_id    text GENERATED ALWAYS AS (doc->>'slot_id') STORED NOT NULL REFERENCES slots (id) ON DELETE CASCADE,
    project     text GENERATED ALWAYS AS (doc->>'project') STORED NOT NULL,
    environment text GENERATED ALWAYS AS (doc->>'environment') STORED NOT NULL,
    service     text GENERATED ALWAYS AS (doc->>'service') STORED NOT NULL,
    phase      text GENERATED ALWAYS AS (doc->>'phase') STORED NOT NULL,
    commit_sha text GENERATED ALWAYS AS (coalesce(doc->>'commit', '')) STORED NOT NULL,
    release_id text GENERATED ALWAYS AS (coalesce(doc->>'release_id', '')) STORED NOT NULL
);
CREATE INDEX deploys_slot ON deploys (slot_id, n DESC);
CREATE INDEX deploys_project ON deploys (project, n DESC);
CREATE INDEX deploys_open ON deploys (n) WHERE phase NOT IN ('live', 'failed', 'canceled', 'superseded');
-- At most one deploy of a slot moves at a time.
CREATE UNIQUE INDEX deploys_one_moving ON deploys (slot_id)
    WHERE phase IN ('building', 'releasing', 'starting', 'checking', 'shifting', 'draining');

CREATE TABLE instances (
    doc     jsonb NOT NULL,
    n       bigint GENERATED ALWAYS AS IDENTITY,
    id      text GENERATED ALWAYS AS (doc->>'id') STORED PRIMARY KEY,
    slot_id text GENERATED ALWAYS AS (doc->>'slot_id') STORED NOT NULL REFERENCES slots (id) ON DELETE CASCADE,
    ended   boolean GENERATED ALWAYS AS (doc->>'state' IN ('stopped', 'dead')) STORED NOT NULL
);
CREATE INDEX instances_slot ON instances (slot_id, n DESC);
CREATE INDEX instances_running ON instances (slot_id) WHERE NOT ended;

CREATE TABLE configs (
    doc     jsonb NOT NULL,
    slot_id text GENERATED ALWAYS AS (doc->>'slot_id') STORED NOT NULL REFERENCES slots (id) ON DELETE CASCADE,
    version bigint GENERATED ALWAYS AS ((doc->>'version')::bigint) STORED NOT NULL,
    PRIMARY KEY (slot_id, version)
);

CREATE TABLE commits (
    doc        jsonb NOT NULL,
    n          bigint GENERATED ALWAYS AS IDENTITY,
    project_id text GENERATED ALWAYS AS (doc->>'project_id') STORED NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    sha        text GENERATED ALWAYS AS (doc->>'sha') STORED NOT NULL,
    PRIMARY KEY (project_id, sha)
);
CREATE INDEX commits_beginning ON commits (project_id, sha text_pattern_ops);

CREATE TABLE branches (
    project_id text NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    name       text NOT NULL,
    head       text NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (project_id, name)
);

-- Ids of the Git trees of build contexts, so that a service whose files did not change is not built again.
CREATE TABLE context_trees (
    project_id text NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    commit_sha text NOT NULL,
    context    text NOT NULL,
    tree       text NOT NULL,
    PRIMARY KEY (project_id, commit_sha, context)
);

CREATE TABLE incidents (
    doc        jsonb NOT NULL,
    n          bigint GENERATED ALWAYS AS IDENTITY,
    id         text GENERATED ALWAYS AS (doc->>'id') STORED PRIMARY KEY,
    project_id text GENERATED ALWAYS AS (doc->>'project_id') STORED NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    slot_id    text GENERATED ALWAYS AS (doc->>'slot_id') STORED NOT NULL REFERENCES slots (id) ON DELETE CASCADE,
    project     text GENERATED ALWAYS AS (doc->>'project') STORED NOT NULL,
    environment text GENERATED ALWAYS AS (doc->>'environment') STORED NOT NULL,
    service     text GENERATED ALWAYS AS (doc->>'service') STORED NOT NULL,
    state      text GENERATED ALWAYS AS (doc->>'state') STORED NOT NULL,
    signal     text GENERATED ALWAYS AS (doc->>'signal') STORED NOT NULL,
    release_id text GENERATED ALWAYS AS (coalesce(doc->>'release_id', '')) STORED NOT NULL
);
CREATE INDEX incidents_slot ON incidents (slot_id, n DESC);
CREATE INDEX incidents_project ON incidents (project, n DESC);
-- Findings of one slot, signal and release are one open incident.
CREATE UNIQUE INDEX incidents_one_open ON incidents (slot_id, signal, release_id) WHERE state = 'open';

CREATE TABLE evidence (
    doc         jsonb NOT NULL,
    id          text GENERATED ALWAYS AS (doc->>'id') STORED PRIMARY KEY,
    incident_id text GENERATED ALWAYS AS (doc->>'incident_id') STORED NOT NULL REFERENCES incidents (id) ON DELETE CASCADE,
    number      int GENERATED ALWAYS AS ((doc->>'number')::int) STORED NOT NULL
);
CREATE INDEX evidence_incident ON evidence (incident_id, number);

CREATE TABLE diagnoses (
    doc         jsonb NOT NULL,
    n           bigint GENERATED ALWAYS AS IDENTITY,
    id          text GENERATED ALWAYS AS (doc->>'id') STORED PRIMARY KEY,
    incident_id text GENERATED ALWAYS AS (doc->>'incident_id') STORED NOT NULL REFERENCES incidents (id) ON DELETE CASCADE
);
CREATE INDEX diagnoses_incident ON diagnoses (incident_id, n DESC);

CREATE TABLE plans (
    doc         jsonb NOT NULL,
    n           bigint GENERATED ALWAYS AS IDENTITY,
    id          text GENERATED ALWAYS AS (doc->>'id') STORED PRIMARY KEY,
    project_id  text GENERATED ALWAYS AS (doc->>'project_id') STORED NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    slot_id     text GENERATED ALWAYS AS (doc->'body'->>'slot_id') STORED NOT NULL REFERENCES slots (id) ON DELETE CASCADE,
    project     text GENERATED ALWAYS AS (doc->>'project') STORED NOT NULL,
    environment text GENERATED ALWAYS AS (doc->>'environment') STORED NOT NULL,
    service     text GENERATED ALWAYS AS (doc->>'service') STORED NOT NULL,
    incident_id text GENERATED ALWAYS AS (coalesce(doc->'body'->>'incident_id', '')) STORED NOT NULL,
    state       text GENERATED ALWAYS AS (doc->>'state') STORED NOT NULL,
    action      jsonb GENERATED ALWAYS AS (doc->'body'->'action') STORED NOT NULL
);
CREATE INDEX plans_project ON plans (project, n DESC);
CREATE INDEX plans_slot ON plans (slot_id, n DESC);
CREATE INDEX plans_incident ON plans (incident_id, n DESC);
CREATE INDEX plans_open ON plans (state, n) WHERE state IN ('pending', 'approved', 'executing');

-- A value that a human gave while approving, sealed; it is never part of the plan that is hashed and shown.
CREATE TABLE plan_values (
    plan_id text PRIMARY KEY REFERENCES plans (id) ON DELETE CASCADE,
    sealed  text NOT NULL
);

CREATE TABLE approvals (
    doc       jsonb NOT NULL,
    n         bigint GENERATED ALWAYS AS IDENTITY,
    id        text GENERATED ALWAYS AS (doc->>'id') STORED PRIMARY KEY,
    plan_id   text GENERATED ALWAYS AS (doc->>'plan_id') STORED NOT NULL REFERENCES plans (id) ON DELETE CASCADE,
    principal text GENERATED ALWAYS AS ((doc->'actor'->>'kind') || ':' || (doc->'actor'->>'name')) STORED NOT NULL,
    -- One principal decides one plan once.
    CONSTRAINT approvals_once UNIQUE (plan_id, principal)
);

CREATE TABLE tokens (
    doc          jsonb NOT NULL,
    n            bigint GENERATED ALWAYS AS IDENTITY,
    id           text GENERATED ALWAYS AS (doc->>'id') STORED PRIMARY KEY,
    hash         bytea NOT NULL,
    last_used_at timestamptz,
    CONSTRAINT tokens_hash UNIQUE (hash)
);

CREATE TABLE idempotency (
    token_id   text NOT NULL,
    key        text NOT NULL,
    request    text NOT NULL,
    body_hash  text NOT NULL,
    status     int NOT NULL,
    answer     bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (token_id, key)
);
CREATE INDEX idempotency_age ON idempotency (created_at);

-- The audit log. chain_head has one row; locking it gives events their order, without gaps.
CREATE TABLE events (
    seq         bigint PRIMARY KEY,
    id          text NOT NULL UNIQUE,
    at          timestamptz NOT NULL,
    kind        text NOT NULL,
    actor       jsonb NOT NULL,
    project     text NOT NULL,
    environment text NOT NULL,
    service     text NOT NULL,
    subject     text NOT NULL,
    summary     text NOT NULL,
    payload     text NOT NULL, -- text, since its bytes are hashed
    cause       text NOT NULL,
    prev_hash   text NOT NULL,
    hash        text NOT NULL
);
CREATE INDEX events_project ON events (project, seq);
CREATE INDEX events_subject ON events (subject, seq);
CREATE INDEX events_cause ON events (cause, seq) WHERE cause <> '';
CREATE TABLE chain_head (
    one  boolean PRIMARY KEY DEFAULT true CHECK (one),
    seq  bigint NOT NULL,
    hash text NOT NULL
);
INSERT INTO chain_head (seq, hash) VALUES (0, '');

-- What was recorded stays as it was recorded: a mistake in our own code meets an error here.
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'rows of % are never changed', TG_TABLE_NAME;
END $$;
CREATE TRIGGER events_fixed BEFORE UPDATE OR DELETE ON events FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER releases_fixed BEFORE UPDATE ON releases FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER configs_fixed BEFORE UPDATE ON configs FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER evidence_fixed BEFORE UPDATE ON evidence FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER approvals_fixed BEFORE UPDATE ON approvals FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- Servers that work jobs. Each holds an advisory lock on the hash of its id for as long as it lives.
CREATE TABLE clients (
    id         text PRIMARY KEY,
    started_at timestamptz NOT NULL DEFAULT now()
);

-- Route tables are numbered from the time of installation, so that a router that still serves the table of an
-- installation before this one takes the first table of the new one.
CREATE SEQUENCE route_table_version;
SELECT setval('route_table_version', (extract(epoch FROM clock_timestamp()) * 1000)::bigint);
