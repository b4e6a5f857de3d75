-- Alerts from outside as they stand, one for each fingerprint of a source. They outlive their project, as the events that
-- tell of them do, until they are too old.
CREATE TABLE inbound_alerts (
    doc         jsonb NOT NULL,
    n           bigint GENERATED ALWAYS AS IDENTITY,
    id          text GENERATED ALWAYS AS (doc->>'id') STORED PRIMARY KEY,
    project     text GENERATED ALWAYS AS (doc->>'project') STORED NOT NULL,
    environment text GENERATED ALWAYS AS (doc->>'environment') STORED NOT NULL,
    service     text GENERATED ALWAYS AS (doc->>'service') STORED NOT NULL,
    source      text GENERATED ALWAYS AS (doc->>'source') STORED NOT NULL,
    fingerprint text GENERATED ALWAYS AS (doc->>'fingerprint') STORED NOT NULL,
    state       text GENERATED ALWAYS AS (doc->>'state') STORED NOT NULL,
    decision    text GENERATED ALWAYS AS (doc->>'decision') STORED NOT NULL,
    UNIQUE (project, source, fingerprint)
);
CREATE INDEX inbound_alerts_firing ON inbound_alerts (project, n) WHERE state = 'firing';
