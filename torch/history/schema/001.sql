-- One row per disposition: a run, or a fire that was skipped or missed and why.
-- The identity of a firing is (task, fire_time, attempt): starting it twice is a constraint
-- error, not a hope. fire_time is NULL for manual and daemon runs, which no fire names.
CREATE TABLE run (
    seq        INTEGER PRIMARY KEY,  -- the order of recording
    id         TEXT NOT NULL UNIQUE,
    task       TEXT NOT NULL,
    fire_time  INTEGER,              -- epoch seconds; of a collapsed row the first
    last_fire  INTEGER,              -- of a collapsed row the last
    count      INTEGER NOT NULL DEFAULT 1,
    trigger    TEXT NOT NULL,
    attempt    INTEGER NOT NULL,
    state      TEXT NOT NULL,
    outcome    TEXT,
    exit_code  INTEGER,
    signal     INTEGER,
    reason     TEXT NOT NULL DEFAULT '',
    pid        INTEGER,
    recorded_at REAL NOT NULL,
    started_at REAL,
    ended_at   REAL,
    version    TEXT NOT NULL,        -- hash of the task file it ran under
    boot_id    TEXT NOT NULL,
    UNIQUE (task, fire_time, attempt)
) STRICT;
CREATE INDEX run_by_task ON run (task, seq);
CREATE INDEX run_unfinished ON run (seq) WHERE state <> 'finished';
CREATE INDEX run_bad ON run (seq) WHERE outcome NOT IN ('succeeded', 'skipped');

-- Which definition of a task is in force, and since when: fires before that are not its own.
CREATE TABLE definition (
    task   TEXT PRIMARY KEY,
    digest TEXT NOT NULL,
    since  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- watermark: epoch seconds up to which every fire has its row. boot_id: the boot
-- of the host whose @reboot fires are decided.
CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
