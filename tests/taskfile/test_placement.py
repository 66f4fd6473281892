"""Which hosts own a task, and what an entry of `hosts` may be."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torch.taskfile.placement import (
    Address,
    BadEntry,
    host_addresses,
    never_matches,
    owns,
    read_range,
)

GROUPS = {
    "web": ("10.0.1.11", "10.0.1.12"),
    "net": ("10.0.4.0/24", "fd00::/16"),
    "none": (),
    "mapped": ("::ffff:10.0.0.8/125",),
}


def addresses(text: str) -> frozenset[Address]:
    return frozenset(map(ipaddress.ip_address, text.split()))


@pytest.mark.parametrize(
    ("hosts", "mine", "owned"),
    [
        ("", "10.0.0.1", True),
        ("", "", True),
        ("10.0.0.1", "10.0.0.1", True),
        ("10.0.0.1", "10.0.0.2", False),
        ("10.0.0.1", "", False),
        ("10.0.0.1", "192.168.0.1 10.0.0.1", True),
        ("10.0.0.0/24", "10.0.0.255", True),
        ("10.0.0.0/24", "10.0.1.0", False),
        ("0.0.0.0/0", "10.0.0.1", True),
        ("0.0.0.0/0", "fd00::1", False),
        ("::/0", "fd00::1", True),
        ("::/0", "10.0.0.1", False),
        ("10.0.0.1/32", "10.0.0.1", True),
        ("web", "10.0.1.12", True),
        ("web", "10.0.1.13", False),
        ("net", "10.0.4.200", True),
        ("net", "fd00:1::1", True),
        ("none", "10.0.0.1", False),
        ("web !10.0.1.12", "10.0.1.11", True),
        ("web !10.0.1.12", "10.0.1.12", False),
        ("!10.0.1.12 web", "10.0.1.12", False),
        ("10.0.0.0/8 !web", "10.0.1.11", False),
        ("10.0.0.0/8 !web", "10.0.1.13", True),
        ("10.0.0.0/8 !web", "10.0.1.13 10.0.1.11", False),
        ("!web", "10.0.1.11", False),
        ("!web", "10.0.0.1", True),
        ("!web", "", True),
        ("!none", "10.0.0.1", True),
        ("!web !net", "10.0.4.1", False),
        ("!0.0.0.0/0", "10.0.0.1", False),
        ("::ffff:10.0.0.1", "10.0.0.1", True),
        ("::ffff:10.0.0.0/120", "10.0.0.7", True),
        ("10.0.0.1", "::ffff:10.0.0.1", True),
        ("::ffff:a00:1", "10.0.0.1", True),
        ("::FFFF:10.0.0.1/128", "10.0.0.1", True),
        ("::ffff:0:0/96", "10.0.0.1", True),
        ("::ffff:0:0/96", "fd00::1", False),
        ("!::ffff:10.0.0.1", "10.0.0.1", False),
        ("mapped", "10.0.0.9", True),
        ("fd00::1", "fd00:0:0::1", True),
        ("FD00::A", "fd00::a", True),
        ("fe80::1", "fe80::1%eth0", True),
        ("fe80::1%eth0", "fe80::1%eth0", True),
        ("fe80::1%eth1", "fe80::1%eth0", False),
        ("fe80::1%eth0", "fe80::1", False),
        ("fe80::/10", "fe80::1%eth0", True),
    ],
)
def test_a_task_is_owned_by_the_hosts_that_its_list_means(hosts, mine, owned):
    assert owns(tuple(hosts.split()), GROUPS, addresses(mine)) is owned


@given(st.permutations(["web", "!10.0.1.12", "10.0.4.0/24", "!10.0.4.7", "fd00::1"]))
def test_the_order_of_a_list_does_not_matter(hosts):
    owned = {"10.0.1.11", "10.0.4.8", "fd00::1"}
    for each in owned | {"10.0.1.12", "10.0.4.7", "10.9.9.9"}:
        assert owns(hosts, GROUPS, addresses(each)) is (each in owned)


@given(st.ip_addresses(), st.integers(0, 128))
def test_a_network_holds_exactly_what_the_standard_library_says(address, prefix):
    prefix = min(prefix, address.max_prefixlen)
    network = ipaddress.ip_network((address, prefix), strict=False)
    other = type(address)(int(address) ^ 1 << (address.max_prefixlen - prefix) // 2)
    for each in (address, other):
        if getattr(each, "ipv4_mapped", None) is None and not (
            address.version == 6 and getattr(network.network_address, "ipv4_mapped", None)
        ):
            assert owns((str(network),), {}, {each}) is (each in network)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("10.0.0.5/24", "'10.0.0.5/24' has host bits set"),
        ("fd00::1/64", "'fd00::1/64' has host bits set"),
        ("10.0.0.1/33", "not a network: its prefix must be from /0 to /32"),
        ("fd00::/129", "not a network: its prefix must be from /0 to /128"),
        ("10.0.0.0/-1", "not a network"),
        ("10.0.0.0/08", "not a network"),
        ("10.0.0.0/", "not a network"),
        ("10.0.0.0/٨", "not a network"),
        ("10.0.0.0/255.255.255.0", "not a network"),
        ("10.0.0.0/8/8", "not a network"),
        ("0x7f000001", "is a bare number, not an address"),
        ("2130706433", "is a bare number, not an address"),
        ("010.0.0.1", "has a leading zero, which some programs read as octal"),
        ("10.0.0.01", "has a leading zero"),
        ("10.0.0", "is not an IPv4 address"),
        ("10.0.0.256", "is not an IPv4 address"),
        ("10.0.0.1.1", "is not an IPv4 address"),
        ("10.0.0.1-5", "is a range, which is not supported"),
        ("10.0.0.1-10.0.0.5", "is a range, which is not supported"),
        ("10.0.*.1", "has a wildcard"),
        ("10.0.0.1:22", "has a port"),
        ("[fd00::1]", "is not an IPv6 address"),
        ("fd00:::1", "is not an IPv6 address"),
        ("1:2:3", "is not an IPv6 address"),
        ("fd00::1%eth0", "has an invalid zone"),
        ("fe80::1%", "has an invalid zone"),
        ("fe80::1%eth0%x", "has an invalid zone"),
        ("fe80::1%eth0/64", "has an invalid zone"),
        ("10.0.0.1%eth0", "has an invalid zone"),
        ("host.example", "is neither an address, a network nor a group"),
        ("", "is neither an address, a network nor a group"),
        (" 10.0.0.1", "is neither"),
        ("10.0.0.1\0", "is neither"),
        ("\ud800", "is neither"),
        ("١٠.0.0.1", "is neither"),
    ],
)
def test_what_is_no_address_is_refused_and_named(text, message):
    with pytest.raises(BadEntry) as caught:
        read_range(text)
    assert message in caught.value.message


def test_a_network_with_host_bits_names_both_that_may_be_meant():
    with pytest.raises(BadEntry) as caught:
        read_range("10.0.0.5/24")
    assert caught.value.hint == "the network is 10.0.0.0/24, the single address is 10.0.0.5"


@given(st.text(max_size=24))
def test_no_text_is_a_crash(text):
    try:
        never_matches(read_range(text))
    except BadEntry as bad:
        assert bad.message


@pytest.mark.parametrize(
    "text", "127.0.0.1 127.0.0.0/8 ::1 0.0.0.0 :: 224.0.0.1 ff02::1 ::10.0.0.1".split()
)
def test_an_address_that_no_host_has_says_why(text):
    assert never_matches(read_range(text))


@pytest.mark.parametrize("text", "10.0.0.1 0.0.0.0/0 ::/0 fe80::1 fd00::/8 126.0.0.1".split())
def test_an_address_that_a_host_may_have_says_nothing(text):
    assert never_matches(read_range(text)) == ""


@pytest.mark.parametrize(
    ("given_", "found"),
    [("10.0.0.1", "10.0.0.1"), ("fd00::1", "fd00::1"), ("::ffff:10.0.0.1", "10.0.0.1"),
     ("127.0.0.1", "127.0.0.1"), ("fe80::1%eth0", "fe80::1%eth0")],
)  # fmt: skip
def test_a_given_address_is_the_only_one_of_the_host(given_, found):
    assert host_addresses(given_) == addresses(found)


@pytest.mark.parametrize("bad", ["", "web", "10.0.0.0/24", "10.0.0.1/32", "fd00::/64", "10.0.0"])
def test_a_given_address_that_is_none_is_refused(bad):
    with pytest.raises(BadEntry):
        host_addresses(bad)


def test_the_addresses_of_this_host_have_no_loopback_among_them():
    found = host_addresses()
    assert not any(each.is_loopback for each in found)
    assert owns(("!127.0.0.0/8",), {}, found)
