-- What was used in each finished hour. It outlives the samples that it was computed from, and the project.
CREATE TABLE usage_hours (
    hour               timestamptz NOT NULL,
    project            text NOT NULL,
    environment        text NOT NULL,
    service            text NOT NULL,
    cpu_seconds        bigint NOT NULL, -- millionths, as are all but egress_bytes and requests
    memory_gb_hours    bigint NOT NULL,
    gpu_hours          bigint NOT NULL,
    egress_bytes       bigint NOT NULL,
    build_minutes      bigint NOT NULL,
    disk_gb_hours      bigint NOT NULL,
    requests           bigint NOT NULL,
    measured_seconds   bigint NOT NULL,
    unmeasured_seconds bigint NOT NULL,
    PRIMARY KEY (hour, project, environment, service)
);
CREATE INDEX usage_hours_project ON usage_hours (project, hour);

CREATE TABLE budgets (
    doc        jsonb NOT NULL,
    project    text GENERATED ALWAYS AS (doc->>'project') STORED PRIMARY KEY,
    project_id text NOT NULL REFERENCES projects (id) ON DELETE CASCADE
);

-- When builds began and ended is in the events alone.
CREATE INDEX events_deploys ON events (at) WHERE kind = 'deploy.phase';
