-- What a run was started under, what it waits for, and what its end will be called.
ALTER TABLE run ADD COLUMN digest TEXT NOT NULL DEFAULT '';  -- of its definition; '' not known
ALTER TABLE run ADD COLUMN not_before REAL;  -- it waits, for this instant at the least
ALTER TABLE run ADD COLUMN fate TEXT;        -- the outcome it will have: it was told to stop
ALTER TABLE run ADD COLUMN stopping_at REAL; -- when it was told first; its grace runs from then

-- With recorded_at at their end the indexes answer "since when" without a look at the table.
DROP INDEX run_by_task;
DROP INDEX run_bad;
CREATE INDEX run_by_task ON run (task, seq, recorded_at);
CREATE INDEX run_by_time ON run (recorded_at);
CREATE INDEX run_bad ON run (seq, recorded_at) WHERE outcome NOT IN ('succeeded', 'skipped');
CREATE INDEX run_bad_by_task ON run (task, seq, recorded_at)
    WHERE outcome NOT IN ('succeeded', 'skipped');
CREATE INDEX run_ran_by_task ON run (task, seq)
    WHERE outcome IS NULL OR outcome NOT IN ('skipped', 'missed');

-- Definitions as text, once each; and when which of them was in force. Fires before `since` are
-- not its own. A digest of '' says that the task had left the file.
CREATE TABLE definition_text (
    digest TEXT PRIMARY KEY,
    text   TEXT NOT NULL
) STRICT;
CREATE TABLE in_force (
    task   TEXT NOT NULL,
    since  INTEGER NOT NULL,
    digest TEXT NOT NULL,
    at     REAL NOT NULL,  -- when it was recorded
    PRIMARY KEY (task, since)
) STRICT, WITHOUT ROWID;
INSERT INTO in_force SELECT task, since, digest, since FROM definition;
DROP TABLE definition;

-- The fires of a paused task are decided up to `since`, and skipped from there on.
CREATE TABLE pause (
    task  TEXT PRIMARY KEY,
    since INTEGER NOT NULL,
    until REAL
) STRICT, WITHOUT ROWID;

-- The task files that were in force, each from `at` on.
CREATE TABLE loaded (
    seq       INTEGER PRIMARY KEY,
    at        REAL NOT NULL,
    version   TEXT NOT NULL,
    commit_id TEXT
) STRICT;

-- The spans in which a service lived; ended_at is NULL in the newest as long as it may.
-- Of one that died it is the last sign of life: seen_at in meta, written with every commit.
CREATE TABLE service (
    seq        INTEGER PRIMARY KEY,
    pid        INTEGER NOT NULL,
    boot_id    TEXT NOT NULL,
    started_at REAL NOT NULL,
    ended_at   REAL,
    how        TEXT
) STRICT;
