-- Notices: what somebody is to be told of, and what became of it on each channel.
CREATE TABLE notice (
    id       TEXT NOT NULL,
    channel  TEXT NOT NULL,
    task     TEXT NOT NULL,
    kind     TEXT NOT NULL,
    at       REAL NOT NULL,
    text     TEXT NOT NULL,     -- the whole of it as JSON, see torch/notice.py
    state    TEXT NOT NULL DEFAULT 'owed' CHECK (state IN ('owed', 'sent', 'given_up')),
    tries    INTEGER NOT NULL DEFAULT 0,
    ended_at REAL,
    detail   TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (id, channel)
) STRICT;
CREATE INDEX notice_owed ON notice (at) WHERE state = 'owed';
CREATE INDEX notice_by_time ON notice (at);

-- Troubles that somebody was told of and that are not over, see torch/schedule/record.py.
CREATE TABLE trouble (
    task    TEXT NOT NULL,
    kind    TEXT NOT NULL,
    since   REAL NOT NULL,
    told_at REAL NOT NULL,
    count   INTEGER NOT NULL,
    seen    TEXT NOT NULL,  -- of a pattern: JSON, [[run id, up to which byte of its output], …]
    PRIMARY KEY (task, kind)
) STRICT, WITHOUT ROWID;
