-- Times are microseconds since 1970; ids are UUIDs as text; values are JSON as text.
CREATE TABLE jobs (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    channel TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('pending', 'running', 'finished', 'canceled')),
    args TEXT NOT NULL,
    result TEXT,
    token TEXT UNIQUE,
    worker TEXT,
    heartbeat INTEGER,
    requeues INTEGER NOT NULL DEFAULT 0,
    created INTEGER NOT NULL,
    started INTEGER,
    finished INTEGER
) STRICT;
CREATE INDEX jobs_pending ON jobs (seq) WHERE state = 'pending';
CREATE INDEX jobs_running ON jobs (heartbeat) WHERE state = 'running';

CREATE TABLE job_dependencies (
    job TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    needs TEXT NOT NULL REFERENCES jobs (id),
    PRIMARY KEY (job, position)
) STRICT;
CREATE INDEX job_dependants ON job_dependencies (needs);

CREATE TABLE workers (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    channel TEXT NOT NULL,
    arch TEXT NOT NULL,
    seen INTEGER NOT NULL
) STRICT;

CREATE TABLE composes (
    id TEXT PRIMARY KEY,
    channel TEXT NOT NULL,
    created INTEGER NOT NULL,
    body TEXT NOT NULL
) STRICT;
CREATE INDEX composes_of_channel ON composes (channel, id);

CREATE TABLE compose_roots (
    compose TEXT NOT NULL REFERENCES composes (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    job TEXT NOT NULL REFERENCES jobs (id),
    PRIMARY KEY (compose, position)
) STRICT;
CREATE INDEX composes_of_job ON compose_roots (job);

CREATE TABLE documents (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    channel TEXT NOT NULL,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    revision INTEGER NOT NULL,
    body TEXT NOT NULL,
    UNIQUE (channel, kind, name)
) STRICT;
