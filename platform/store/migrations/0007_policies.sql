-- The policies of a project, every version that held: a plan names the one that it was made under.
CREATE TABLE policies (
    doc        jsonb NOT NULL,
    project_id text NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    version    bigint GENERATED ALWAYS AS ((doc->>'version')::bigint) STORED NOT NULL,
    CONSTRAINT policies_once PRIMARY KEY (project_id, version)
);

-- What is stopped now: agents in a project, or everywhere where the project is ''.
CREATE TABLE agent_stops (
    doc        jsonb NOT NULL,
    project    text GENERATED ALWAYS AS (coalesce(doc->>'project', '')) STORED PRIMARY KEY,
    project_id text REFERENCES projects (id) ON DELETE CASCADE
);
