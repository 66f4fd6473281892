"""Which outcomes count as what, in SQL: the words of the partial indexes, to the letter.

SQLite uses a partial index only where a query says its condition in the same words. Invariant,
held by tests/history/test_query.py: they mean what the sets in torch/run.py mean.
"""

from __future__ import annotations

BAD = "outcome NOT IN ('succeeded', 'skipped')"
"""Of the indexes run_bad and run_bad_by_task: all but NO_TROUBLE, and no row that goes on."""

RAN = "(outcome IS NULL OR outcome NOT IN ('skipped', 'missed'))"
"""Of the index run_ran_by_task: all but NEVER_RAN."""
