"""Which hosts a file names, and who owns what: judged by the placement that a host itself uses."""

from __future__ import annotations

import ipaddress
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from torch.planning.places import Fleet, chosen, fleet, named_places
from torch.taskfile.placement import owns
from torch.testing import cron

GROUPS = {"web": ("10.0.1.11", "10.0.1.12"), "batch": ("10.0.4.0/24",)}


def of(*hosts: tuple[str, ...], groups=GROUPS) -> Fleet:
    return fleet([cron(f"t{n}", hosts=each) for n, each in enumerate(hosts)], groups)


def shown(found: Fleet) -> dict[str, tuple[int, ...]]:
    return {column.label: column.tasks for column in found.columns}


def test_a_file_that_names_no_host_has_one_column():
    assert shown(of((), (), groups={})) == {"every other host": (0, 1)}


def test_places_that_own_the_same_tasks_are_one_column_under_their_groups_name():
    found = of((), ("web",), ("batch", "10.0.1.11"))
    assert shown(found) == {
        "10.0.1.11": (0, 1, 2), "10.0.1.12": (0, 1), "batch": (0, 2), "every other host": (0,),
    }  # fmt: skip
    assert shown(of(("web",))) == {"web": (0,), "batch, every other host": ()}


def test_most_of_a_group_is_called_the_group_without_the_others():
    members = tuple(f"10.0.1.{n}" for n in range(1, 8))
    found = of(("web", "!10.0.1.3", "!10.0.1.5"), groups={"web": members})
    assert list(shown(found)) == [
        "web but 10.0.1.3, 10.0.1.5",
        "10.0.1.3, 10.0.1.5, every other host",
    ]
    few = of(("web", "!10.0.1.3"), groups={"web": members[1:4]})
    assert next(iter(shown(few))) == "web but 10.0.1.3"
    two = of(("web", "!10.0.1.1"), groups={"web": members[:2]})
    assert list(shown(two)) == ["10.0.1.1, every other host", "10.0.1.2"]


def test_each_task_knows_its_columns():
    found = of((), ("web",), ("!web",))
    assert [[found.columns[at].label for at in each] for each in found.of_task] == [
        ["web", "batch, every other host"],
        ["web"],
        ["batch, every other host"],
    ]


def test_an_address_inside_a_network_is_a_place_of_its_own():
    found = of(("10.0.4.0/24", "!10.0.4.7"))
    assert shown(found)["batch"] == (0,)
    assert [c.tasks for c in found.columns if "10.0.4.7" in c.places] == [()]


def test_a_part_of_a_network_is_not_the_network():
    found = of(("10.0.4.0/25",))
    assert {place: column.tasks for column in found.columns for place in column.places} == {
        "10.0.1.11": (), "10.0.1.12": (), "10.0.4.0/24": (), "10.0.4.0/25": (0,),
    }  # fmt: skip


def test_a_network_that_is_named_piece_by_piece_is_no_place():
    halves = ("10.0.4.0/25", "10.0.4.128/25")
    assert named_places([[("10.0.4.0/24", *halves)]], []) == halves
    assert named_places([[("10.0.4.0/24", halves[0])]], []) == ("10.0.4.0/24", halves[0])
    assert named_places([[("10.9.0.0/31", "10.9.0.0", "10.9.0.1")]], []) == ("10.9.0.0", "10.9.0.1")


def test_an_address_written_in_two_ways_is_one_place():
    assert named_places([[("2001:db8::1", "2001:0db8::1")]], []) == ("2001:db8::1",)
    assert named_places([[("10.0.1.11", "::ffff:10.0.1.11")]], [GROUPS])[0] == "10.0.1.11"


def test_a_task_that_no_host_owns_is_named():
    groups = GROUPS | {"empty": ()}
    found = of(
        ("web", "!web"), ("10.0.1.11", "!10.0.1.0/24"), ("empty",), ("127.0.0.1",), ("web",), (),
        ("!0.0.0.0/0", "!::/0"), groups=groups,
    )  # fmt: skip
    assert found.nowhere == (0, 1, 2, 3)


def test_only_exclusions_leave_every_other_host():
    assert of(("!web",)).nowhere == ()


def test_a_few_hosts_can_be_chosen_whether_the_file_names_them_or_not():
    tasks = [cron("a"), cron("b", hosts=("web",)), cron("c", hosts=("!10.0.0.0/8",))]
    found = chosen(tasks, GROUPS, ["10.0.1.11", "192.168.1.1"])
    assert shown(found) == {"10.0.1.11": (0, 1), "192.168.1.1": (0, 2)}
    assert found.nowhere == ()


ENTRIES = st.sampled_from(
    ["web", "batch", "odd", "10.0.1.11", "10.0.1.12", "10.0.0.0/16", "10.0.4.0/25", "10.0.4.0/26",
     "10.0.4.9", "10.9.9.9", "2001:db8::/32", "2001:db8::5", "::ffff:10.0.4.9", "0.0.0.0/0",
     "fe80::1"]
)  # fmt: skip
HOSTS = st.lists(st.one_of(ENTRIES, ENTRIES.map("!{}".format)), max_size=4).map(tuple)


@settings(max_examples=150)
@given(hosts=st.lists(HOSTS, min_size=1, max_size=6))
def test_a_place_owns_what_a_host_with_an_address_of_it_owns(hosts):
    groups = GROUPS | {"odd": ("10.0.4.192/26", "2001:db8::5")}
    tasks = [cron(f"t{n}", hosts=each) for n, each in enumerate(hosts)]
    found = fleet(tasks, groups)
    named = named_places([hosts], [groups])
    for column in found.columns:
        for place in column.places:
            network: Any = ipaddress.ip_network(place)
            closer: list[Any] = [ipaddress.ip_network(n) for n in named if n != place]
            inside = [n for n in closer if n.version == network.version and n.subnet_of(network)]
            address = (
                next(a for a in network.hosts() if not any(a in n for n in inside))
                if network.num_addresses > 1
                else network[0]
            )
            mine = {getattr(address, "ipv4_mapped", None) or address}
            expected = tuple(n for n, each in enumerate(hosts) if owns(each, groups, mine))
            assert column.tasks == expected, (place, address)


@settings(max_examples=100)
@given(hosts=st.lists(HOSTS, min_size=1, max_size=6))
def test_every_place_stands_in_one_column(hosts):
    groups = GROUPS | {"odd": ("10.0.4.192/26", "2001:db8::5")}
    found = fleet([cron(f"t{n}", hosts=each) for n, each in enumerate(hosts)], groups)
    places = [place for column in found.columns for place in column.places]
    assert sorted(places) == sorted(named_places([hosts], [groups]))
    assert len({column.tasks for column in found.columns}) == len(found.columns)
