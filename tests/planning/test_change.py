"""What differs between two versions of a file: tasks, keys, order, groups, hosts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.schedule.test_random_walk import TASKS
from torch.channel import Channel, Way
from torch.planning.change import Change, Version, compare, key_changes
from torch.schedule.reload import diff
from torch.taskfile.placement import host_addresses, owns
from torch.testing import cron, daemon

GROUPS = {"web": ("10.0.1.11", "10.0.1.12"), "batch": ("10.0.4.0/24",)}


def version(*tasks, groups=GROUPS, channels=None) -> Version:
    return Version(tasks=tasks, groups=groups, channels=channels or {})


def changed(old, new, **keys) -> Change:
    return compare(version(*old), version(*new, **keys))


def keys(old, new) -> dict[str, tuple[str, Any, Any]]:
    return {c.key: (c.what, c.old, c.new) for c in key_changes(old, new)}


def test_a_key_is_told_with_what_it_was_and_what_it_is():
    old, new = cron("a", "30 3 * * *"), cron("a", "30 4 * * *", timeout=300.0, max=1)
    assert keys(old, new) == {
        "schedule": ("changed", ("30 3 * * *",), ("30 4 * * *",)),
        "timeout": ("added", None, 300.0),
    }
    assert keys(new, old)["timeout"] == ("removed", 300.0, None)


def test_of_the_environment_only_names_are_told():
    old = cron("a", env=(("KEPT", "1"), ("TOKEN", "old-secret"), ("GONE", "x")))
    new = cron("a", env=(("KEPT", "1"), ("TOKEN", "new-secret"), ("COMES", "y")))
    assert keys(old, new) == {
        "env.TOKEN": ("changed", None, None),
        "env.GONE": ("removed", None, None),
        "env.COMES": ("added", None, None),
    }
    assert "secret" not in repr(key_changes(old, new))


def test_variables_in_another_order_are_a_change_too():
    old, new = cron("a", env=(("A", "1"), ("B", "2"))), cron("a", env=(("B", "2"), ("A", "1")))
    assert keys(old, new) == {"env": ("changed", None, None)}


def test_a_command_that_seems_to_hold_a_secret_is_not_told():
    old, new = cron("a", command="backup"), cron("a", command="backup --password hunter22")
    for one, other in ((old, new), (new, old)):
        assert keys(one, other) == {"command": ("changed", None, None)}


def test_a_task_that_stands_elsewhere_has_moved_and_no_other():
    tasks = [cron(name) for name in "abcdef"]
    a, b, c, d, e, f = tasks
    assert changed(tasks, [b, c, d, e, f, a]).moved == ("a",)
    assert changed(tasks, [a, e, b, c, d, f]).moved == ("e",)
    assert changed(tasks, tasks).moved == ()
    assert changed(tasks, [a, c, e]).moved == ()


def test_daemon_and_disabled_tasks_have_no_order():
    one, two = daemon("a"), cron("b", enabled=False)
    assert changed([one, two], [two, one]).moved == ()


def test_groups_are_told_with_who_came_and_who_went():
    found = changed([], [], groups={"web": ("10.0.1.12", "10.0.1.13"), "new": ()})
    assert found.groups == {
        "web": (("10.0.1.13",), ("10.0.1.11",)),
        "batch": ((), ("10.0.4.0/24",)),
        "new": ((), ()),
    }


def test_a_channel_is_named_and_its_target_never_told():
    def ops(target):
        return {"ops": Channel(name="ops", way=Way.WEBHOOK, target=target)}

    found = compare(version(channels=ops("https://a/secret")), version(channels=ops("https://b")))
    assert found.channels == {"ops": "changed"}
    assert "secret" not in repr(found)


def test_a_group_that_changes_adds_and_removes_tasks_on_its_hosts_though_no_task_differs():
    task = cron("a", hosts=("web",))
    found = changed([task], [task], groups={"web": ("10.0.1.12", "10.0.1.13")})
    assert found.diff.unchanged == 1 and not (found.diff.added or found.diff.removed)
    on = {host.label: (host.diff.added, host.diff.removed) for host in found.hosts}
    assert on["10.0.1.13"] == (("a",), ())
    assert on["10.0.1.11"] == ((), ("a",))
    assert bool(found)


def test_two_equal_versions_differ_in_nothing():
    tasks = [cron("a"), daemon("b", hosts=("web",))]
    found = changed(tasks, tasks)
    assert not found
    assert not any(host.diff.added or host.diff.removed for host in found.hosts)


HOSTS = st.sampled_from([(), ("web",), ("!web",), ("10.0.1.12", "batch"), ("web", "!10.0.1.11")])


@given(old=TASKS, new=TASKS, hosts=st.lists(HOSTS, min_size=8, max_size=8))
def test_what_is_said_of_a_host_is_the_diff_of_its_own_reload(old, new, hosts):
    placed = [replace(t, hosts=h, digest=t.digest + str(h)) for t, h in zip(old + new, hosts)]  # noqa: B905
    before, after = placed[: len(old)], placed[len(old) :]
    found = changed(before, after)
    for host in found.hosts:
        for place in (p for p in host.places if "/" not in p):
            mine = host_addresses(place)
            had, has = (
                [t for t in part if owns(t.hosts, GROUPS, mine)] for part in (before, after)
            )
            assert host.diff == diff({t.name: t for t in had}, has)
