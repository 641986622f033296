-- What is counted often: jobs that are not over, and composes of late.
CREATE INDEX jobs_open ON jobs (kind, channel, state, created) WHERE state IN ('pending', 'running');
CREATE INDEX composes_by_time ON composes (channel, created);
