"""What service and reaper say to each other, however the bytes were cut on the way."""

from __future__ import annotations

import struct
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torch.reaper.wire import MOST, BadFrame, Order, Stream, pack

FIELDS = st.lists(st.binary(max_size=40), min_size=1, max_size=8)


@given(messages=st.lists(FIELDS, max_size=6), cuts=st.lists(st.integers(0, 2000), max_size=12))
def test_any_cut_of_the_stream_gives_the_same_messages(messages, cuts):
    data = b"".join(pack(*fields) for fields in messages)
    edges = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    stream, found = Stream(), []
    for begin, end in pairwise(edges):
        found += stream.feed(data[begin:end])
    assert found == messages


@given(FIELDS)
def test_a_message_comes_when_its_last_byte_does_and_not_before(fields):
    data, stream = pack(*fields), Stream()
    for byte in data[:-1]:
        assert stream.feed(bytes([byte])) == []
    assert stream.feed(data[-1:]) == [fields]


@given(st.binary(max_size=300))
def test_any_bytes_are_messages_or_a_bad_frame(data):
    stream = Stream()
    try:
        found = stream.feed(data)
    except BadFrame:
        return
    assert all(fields for fields in found)


def test_one_that_is_too_large_is_refused_at_its_first_four_bytes():
    with pytest.raises(BadFrame, match=f"a message of {MOST + 1} bytes"):
        Stream().feed(struct.pack("!I", MOST + 1))
    assert Stream().feed(struct.pack("!I", MOST)) == []


@pytest.mark.parametrize(
    "body", [b"", b"\0", b"\0\0\0", b"\0\0\0\x05abc", b"\0\0\0\x01ab", b"\xff\xff\xff\xffabc"]
)
def test_a_message_that_is_none_is_refused(body):
    with pytest.raises(BadFrame):
        Stream().feed(struct.pack("!I", len(body)) + body)


TEXT = st.text(st.characters(blacklist_categories=["Cs"]), max_size=20)
ORDERS = st.builds(
    Order,
    run=TEXT,
    argv=st.lists(st.binary(max_size=20), min_size=1, max_size=5),
    environ=st.lists(st.binary(max_size=20), max_size=5),
    at=st.floats(0, 1e9),
    output=TEXT.map(lambda name: f"/output/t/{name}.log"),
    max_size=st.integers(0, 1 << 50),
    direct=st.booleans(),
    soft_files=st.integers(-1, 1 << 40),
    umask=st.integers(0, 0o777),
    cwd=TEXT,
    fronts=st.sampled_from([(), (0,)]),
)


@given(ORDERS)
def test_an_order_arrives_as_it_was_sent(order):
    (fields,) = Stream().feed(order.pack())
    found = Order.unpack(fields)
    assert all(getattr(found, name) == getattr(order, name) for name in Order.__slots__)


@given(ORDERS, st.data())
def test_an_order_with_anything_missing_is_a_bad_frame_or_another_order(order, data):
    (fields,) = Stream().feed(order.pack())
    cut = fields[: data.draw(st.integers(1, len(fields) - 1))]
    try:
        found = Order.unpack(cut)
    except BadFrame:
        return
    assert found.argv == order.argv


@given(st.lists(st.binary(max_size=12), min_size=1, max_size=16))
def test_rubbish_is_no_order(fields):
    with pytest.raises(BadFrame):
        Order.unpack([b"start", *fields])
