-- When a run was to begin, if a retry, jitter or a wait for a slot had put it off; else NULL, and
-- that is its fire time.
ALTER TABLE run ADD COLUMN due_at REAL;
