"""Old rows go, in small slices; what a new service will ask for stays."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.history.rows import T0, commit, defined, ended, intent, never, run, started
from torch.clock import FireTime
from torch.history import query
from torch.history.prune import Limits
from torch.history.store import HistoryError, Store
from torch.run import Outcome
from torch.schedule.record import Entry, File, Record, Watermark

EVERYTHING = Limits(before=T0 + 1e9)


def ids(store: Store) -> list[str]:
    return [row.id for row in reversed(query.runs(store.path, limit=100_000))]


def prune(store: Store, limits: Limits, limit: int = 3) -> int:
    """A whole round; returns how many rows went."""
    rows = 0
    after: int | None = 0
    while after is not None:
        done = store.prune(limits, after=after, limit=limit)
        assert done.rows <= limit
        rows, after = rows + done.rows, done.after
    while store.prune_rest(limits, limit=limit):
        pass
    return rows


def done(run_id: str, task: str = "a", fire: int | None = T0, outcome=Outcome.SUCCEEDED):
    return intent(run_id, task, fire), ended(run_id, outcome)


@pytest.fixture
def ten(store):
    """Ten runs of a task in force, r0 to r9, each ended, ten seconds apart."""
    commit(store, defined("a", "d"))
    for number in range(10):
        commit(store, *done(f"r{number}", fire=T0 + 10 * number), at=T0 + 10 * number)
    return store


def test_rows_that_are_too_old_go(ten):
    assert prune(ten, Limits(before=T0 + 45.0)) == 5
    assert ids(ten) == ["r5", "r6", "r7", "r8", "r9"]


def test_rows_that_are_too_many_go(ten):
    assert prune(ten, Limits(keep=4)) == 6
    assert ids(ten) == ["r6", "r7", "r8", "r9"]


def test_without_a_limit_nothing_goes(ten):
    assert prune(ten, Limits()) == 0
    assert prune(ten, Limits(before=T0 - 1.0, keep=10)) == 0


def test_a_slice_looks_at_no_more_rows_than_it_was_told(ten):
    first = ten.prune(EVERYTHING, limit=4)
    assert (first.rows, len(ids(ten))) == (4, 6)
    assert first.after is not None
    second = ten.prune(EVERYTHING, after=first.after, limit=4)
    assert ids(ten) == ["r8", "r9"]
    assert second.after is not None
    assert ten.prune(EVERYTHING, after=second.after, limit=4).after is None
    assert ids(ten) == ["r9"]


def test_a_round_is_at_its_end_also_where_nothing_may_go(store):
    assert store.prune(EVERYTHING).after is None
    commit(store, intent("r1"))
    assert prune(store, EVERYTHING) == 0


def test_a_run_that_has_not_ended_stays(ten):
    commit(ten, intent("live", fire=None), started("live"), intent("waits", fire=T0 + 5))
    assert prune(ten, EVERYTHING) == 9
    assert ids(ten) == ["r9", "live", "waits"]


def test_the_newest_end_and_the_newest_fire_of_a_task_stay(store):
    commit(store, defined("a", "d"), *done("r1"), *done("r2", fire=T0 + 1))
    commit(store, never("s1", Outcome.SKIPPED, fire=T0 + 2))
    commit(store, never("s2", Outcome.SKIPPED, fire=T0 + 3))
    commit(store, intent("live", fire=None))
    before = store.decided(), store.newest_ends(["a"])
    assert prune(store, EVERYTHING) == 2
    assert ids(store) == ["r2", "s2", "live"]
    assert (store.decided(), store.newest_ends(["a"])) == before


def test_nothing_is_kept_for_a_task_that_has_left_the_file(store):
    commit(store, defined("a", "d"), *done("r1"), *done("r2", fire=T0 + 1))
    commit(store, defined("a", "", T0 + 5))
    assert prune(store, EVERYTHING) == 2
    assert ids(store) == []
    assert query.definitions(store.path, "a") == []


def test_rows_of_a_time_in_which_the_clock_was_ahead_hold_up_nothing(store):
    commit(store, defined("a", "d"), defined("b", "d"))
    for number in range(5):
        commit(store, *done(f"far{number}", "b", T0 + 10**8 + number), at=T0 + 1e8)
    for number in range(5):
        commit(store, *done(f"r{number}", fire=T0 + number), at=T0 + number)
    assert prune(store, Limits(before=T0 + 3.0)) == 3
    assert prune(store, Limits(keep=4)) == 4
    assert ids(store) == ["far4", "r3", "r4"]


def test_definitions_that_no_row_can_ask_for_go(store):
    for number in range(5):
        commit(store, defined("a", f"d{number}", T0 + 10 * number), at=T0 + 10 * number)
    prune(store, Limits(before=T0 + 25.0))
    kept = query.definitions(store.path, "a")
    assert [found.digest for found in kept] == ["d2", "d3", "d4"]  # d2 was in force then
    assert all(found.text for found in kept)
    left = store._db.execute("SELECT digest FROM definition_text ORDER BY digest").fetchall()
    assert left == [("d2",), ("d3",), ("d4",)]


def test_the_definition_of_a_run_that_lives_stays(store):
    entry = Entry(run=run("r1"), digest="d1")
    commit(store, defined("a", "d1"), Record((entry,)))
    commit(store, defined("a", "d2", T0 + 10), at=T0 + 10)
    prune(store, EVERYTHING)
    (found,) = store.unfinished()
    assert found.definition is not None


def test_files_and_spans_that_are_too_old_go_and_those_in_force_stay(store):
    for number in range(4):
        at = T0 + 100 * number
        store.begin_service(pid=1, boot_id="b", at=at)
        commit(store, Record((File(version=f"v{number}", commit=None),)), at=at)
        store.end_service(at=at + 50, how="SIGTERM")
    prune(store, Limits(before=T0 + 260.0))
    assert query.file_at(store.path, T0 + 150) is None
    assert query.file_at(store.path, T0 + 260) == ("v2", None, T0 + 200)
    assert query.down_at(store.path, T0 + 275) == (T0 + 250, T0 + 300, "SIGTERM")
    assert query.down_at(store.path, T0 + 310) is None
    assert query.down_at(store.path, T0 + 160) == (None, T0 + 200, "")  # forgotten


def test_a_slice_that_fails_removes_nothing(ten):
    ten._db.execute("PRAGMA query_only = 1")
    with pytest.raises(HistoryError):
        ten.prune(EVERYTHING)
    ten._db.execute("PRAGMA query_only = 0")
    assert len(ids(ten)) == 10


def test_pruning_asks_for_no_fsync(ten):
    ten.prune(EVERYTHING)
    assert ten._db.execute("PRAGMA synchronous").fetchone() == (1,)


def test_what_is_free_in_the_file_is_used_again(store):
    def fill(prefix: str) -> None:
        records = [r for n in range(2000) for r in done(f"{prefix}{n}", f"t{n % 9}", None)]
        commit(store, *records)

    fill("a")
    pages = store._db.execute("PRAGMA page_count").fetchone()[0]
    for name in "bcd":
        prune(store, EVERYTHING, limit=500)
        fill(name)
    assert store._db.execute("PRAGMA page_count").fetchone()[0] < pages * 1.2


ROWS = st.lists(
    st.tuples(
        st.sampled_from("abc"), st.sampled_from(["run", "live", "skipped", "missed", "hand"])
    ),
    max_size=25,
)


@settings(max_examples=60)
@given(rows=ROWS, keep=st.integers(0, 30), old=st.integers(0, 30), limit=st.integers(1, 9))
def test_pruning_never_changes_what_a_new_service_asks(tmp_path_factory, rows, keep, old, limit):
    store = Store(str(tmp_path_factory.mktemp("prune") / "history.db"))
    commit(
        store, defined("a", "d1"), defined("b", "d2"), Record((Watermark(at=FireTime(T0 + 99)),))
    )
    for number, (task, kind) in enumerate(rows):
        name, fire = f"r{number}", T0 + number
        records = {
            "run": done(name, task, fire),
            "live": (intent(name, task, fire),),
            "hand": done(name, task, None),
            "skipped": (never(name, Outcome.SKIPPED, task, fire),),
            "missed": (never(name, Outcome.MISSED, task, fire),),
        }[kind]
        commit(store, *records, at=fire)
    asked = (store.decided(), store.newest_ends(["a", "b"]), store.unfinished())
    newest = ids(store)[-keep:] if keep else []
    prune(store, Limits(before=float(T0 + old), keep=max(keep, 1)), limit=limit)
    assert (store.decided(), store.newest_ends(["a", "b"]), store.unfinished()) == asked
    young = {f"r{n}" for n in range(old, len(rows))} & {*newest}
    assert young <= {*ids(store)}
    store.close()
