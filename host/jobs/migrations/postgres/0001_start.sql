-- Times are microseconds since 1970; ids are UUIDs as text; values are JSON as text.
CREATE TABLE jobs (
    seq BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    channel TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('pending', 'running', 'finished', 'canceled')),
    args TEXT NOT NULL,
    result TEXT,
    token TEXT UNIQUE,
    worker TEXT,
    heartbeat BIGINT,
    requeues BIGINT NOT NULL DEFAULT 0,
    created BIGINT NOT NULL,
    started BIGINT,
    finished BIGINT
);
CREATE INDEX jobs_pending ON jobs (seq) WHERE state = 'pending';
CREATE INDEX jobs_running ON jobs (heartbeat) WHERE state = 'running';

CREATE TABLE job_dependencies (
    job TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    position BIGINT NOT NULL,
    needs TEXT NOT NULL REFERENCES jobs (id),
    PRIMARY KEY (job, position)
);
CREATE INDEX job_dependants ON job_dependencies (needs);

CREATE TABLE workers (
    seq BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    channel TEXT NOT NULL,
    arch TEXT NOT NULL,
    seen BIGINT NOT NULL
);

CREATE TABLE composes (
    id TEXT PRIMARY KEY,
    channel TEXT NOT NULL,
    created BIGINT NOT NULL,
    body TEXT NOT NULL
);
CREATE INDEX composes_of_channel ON composes (channel, id);

CREATE TABLE compose_roots (
    compose TEXT NOT NULL REFERENCES composes (id) ON DELETE CASCADE,
    position BIGINT NOT NULL,
    job TEXT NOT NULL REFERENCES jobs (id),
    PRIMARY KEY (compose, position)
);
CREATE INDEX composes_of_job ON compose_roots (job);

CREATE TABLE documents (
    seq BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    channel TEXT NOT NULL,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    revision BIGINT NOT NULL,
    body TEXT NOT NULL,
    UNIQUE (channel, kind, name)
);
