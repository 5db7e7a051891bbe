-- The records of all jobs. The messages travel over the broker; this is what a customer watches.
CREATE TABLE jobs (
    -- A UUID, version 7: the primary key's order is the order in which the jobs were handed in.
    id          uuid PRIMARY KEY,
    job         text NOT NULL,
    customer    text NOT NULL,
    state       text NOT NULL CHECK (state IN ('queued', 'running', 'done', 'failed', 'dead')),
    progress    smallint NOT NULL CHECK (progress BETWEEN 0 AND 100),
    attempts    bigint NOT NULL,
    -- json and not jsonb: a handler's result comes back as it was written, and may hold what jsonb refuses (\u0000).
    result      json,
    -- By the server's clock. A listener that was cut off asks what has changed since.
    changed_at  timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE INDEX jobs_unfinished ON jobs (id) WHERE state NOT IN ('done', 'dead');
CREATE INDEX jobs_changed ON jobs (changed_at);
