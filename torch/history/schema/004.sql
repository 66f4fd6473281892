-- What a run used, as the kernel says at its end; NULL where nobody knows.
ALTER TABLE run ADD COLUMN max_rss INTEGER;   -- bytes, the peak of its largest process
ALTER TABLE run ADD COLUMN cpu_seconds REAL;  -- of all processes that were waited for
