-- Destinations of notifications. after_seq is the number of the last event that was looked at for the channel: the event
-- log itself is the queue.
CREATE TABLE channels (
    doc       jsonb NOT NULL,
    n         bigint GENERATED ALWAYS AS IDENTITY,
    id        text GENERATED ALWAYS AS (doc->>'id') STORED PRIMARY KEY,
    name      text GENERATED ALWAYS AS (doc->>'name') STORED NOT NULL,
    project   text GENERATED ALWAYS AS (coalesce(doc->>'project', '')) STORED NOT NULL,
    enabled   boolean GENERATED ALWAYS AS ((doc->>'enabled')::boolean) STORED NOT NULL,
    secret    text NOT NULL, -- sealed, '' for none
    after_seq bigint NOT NULL,
    UNIQUE (project, name)
);

-- Messages to channels, and how each attempt went. due_at is when the next attempt may begin; of one that is being sent,
-- when it counts as lost with its server.
CREATE TABLE deliveries (
    doc        jsonb NOT NULL,
    n          bigint GENERATED ALWAYS AS IDENTITY,
    id         text GENERATED ALWAYS AS (doc->>'id') STORED PRIMARY KEY,
    channel_id text GENERATED ALWAYS AS (doc->>'channel_id') STORED NOT NULL REFERENCES channels (id) ON DELETE CASCADE,
    state      text GENERATED ALWAYS AS (doc->>'state') STORED NOT NULL,
    why        text GENERATED ALWAYS AS (doc->>'why') STORED NOT NULL,
    created_at timestamptz NOT NULL,
    due_at     timestamptz NOT NULL
);
CREATE INDEX deliveries_channel ON deliveries (channel_id, n DESC);
CREATE INDEX deliveries_due ON deliveries (due_at) WHERE state IN ('pending', 'sending');
CREATE INDEX deliveries_created ON deliveries (created_at);

-- What a receiver called the first message about an incident.
CREATE TABLE threads (
    channel_id  text NOT NULL REFERENCES channels (id) ON DELETE CASCADE,
    incident_id text NOT NULL,
    ref         text NOT NULL,
    PRIMARY KEY (channel_id, incident_id)
);
