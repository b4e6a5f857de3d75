-- Findings of an alert rule are one open incident of their slot, whichever release runs.
ALTER TABLE incidents ADD COLUMN rule text GENERATED ALWAYS AS (coalesce(doc->>'rule', '')) STORED NOT NULL;
DROP INDEX incidents_one_open;
CREATE UNIQUE INDEX incidents_one_open ON incidents (slot_id, signal, rule, release_id) WHERE state = 'open';

-- Silences keep findings from opening incidents. They outlive their project, as the events that tell of them do.
CREATE TABLE silences (
    doc     jsonb NOT NULL,
    n       bigint GENERATED ALWAYS AS IDENTITY,
    id      text GENERATED ALWAYS AS (doc->>'id') STORED PRIMARY KEY,
    project text GENERATED ALWAYS AS (doc->>'project') STORED NOT NULL
);
CREATE INDEX silences_project ON silences (project, n DESC);
