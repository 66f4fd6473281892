"""What the sending process is told and what it answers."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.notify.making import channel, message
from torch.channel import Channel, Way
from torch.message import Message, MessageKind
from torch.notify import wire
from torch.notify.wire import Result

TEXT = st.text(max_size=20)
MESSAGES = st.builds(
    Message,
    id=TEXT, kind=st.sampled_from(MessageKind), task=TEXT, host=TEXT,
    at=st.floats(0, 4e9), title=TEXT, body=TEXT, run=st.none() | TEXT,
    outcome=st.none() | TEXT, exit_code=st.none() | st.integers(0, 255), reason=TEXT,
    count=st.integers(1, 10**6), owner=TEXT, labels=st.dictionaries(TEXT, TEXT, max_size=3),
    lines=st.lists(TEXT, max_size=3).map(tuple),
)  # fmt: skip
CHANNELS = st.builds(
    Channel,
    name=TEXT, way=st.sampled_from(Way), target=TEXT | st.lists(TEXT, min_size=1).map(tuple),
    file=TEXT,
)  # fmt: skip
RESULTS = st.builds(
    Result, ok=st.just(False), detail=TEXT, permanent=st.booleans(),
    retry_after=st.none() | st.floats(0, 1e6),
)  # fmt: skip


@given(CHANNELS, MESSAGES, st.floats(0.1, 600))
def test_an_order_is_read_as_it_was_written(channel, message, timeout):
    assert wire.read_order(wire.order(channel, message, timeout)) == (channel, message, timeout)


@given(MESSAGES)
def test_a_message_of_a_newer_torch_is_read_without_what_is_new(message):
    assert Message.from_json(message.as_json() | {"mood": "bad"}) == message


@given(RESULTS)
def test_an_answer_is_one_line_and_is_understood_as_it_was_meant(result):
    line = wire.answer(result)
    assert line.count(b"\n") == 1 and line.endswith(b"\n") and line.isascii()
    assert wire.understand(line, int(wire.exit_code(result))) == result


def test_the_exit_code_says_delivered_try_again_or_never():
    results = (
        Result(ok=True, detail=""),
        Result(ok=False, detail=""),
        Result(ok=False, detail="", permanent=True),
    )
    assert [int(wire.exit_code(result)) for result in results] == [0, 75, 69]


@pytest.mark.parametrize("output", [b"", b"garbage", b"[]", b'{"ok": 1}', b'{"ok": tr'])
def test_a_process_that_said_nothing_of_use_is_worth_another_try(output):
    result = wire.understand(output, -9)
    assert not result.ok and not result.permanent
    assert result.detail == "the sending process ended with -9 and said nothing"


@pytest.mark.parametrize(
    "change",
    [
        {"channel": None},
        {"channel": {"name": "a", "way": "pigeon", "target": "x"}},
        {"channel": {"way": "exec", "target": "x"}},
        {"message": {}},
        {"message": []},
        {"timeout": "soon"},
    ],
)
def test_an_order_that_is_none_is_refused_without_repeating_it(change):
    document = json.loads(wire.order(channel("webhook", "https://x.example/SECRET"), message()))
    with pytest.raises(ValueError, match=r"\A\w+\Z"):
        wire.read_order(json.dumps(document | change).encode())


@pytest.mark.parametrize(("said", "taken"), [(0, 0.1), (-5, 0.1), (1e9, 3600.0), (7, 7.0)])
def test_a_timeout_is_always_a_time(said, taken):
    assert wire.read_order(wire.order(channel("exec", "true"), message(), said))[2] == taken


def test_the_target_of_a_channel_is_in_no_repr():
    assert "SECRET" not in repr(channel("webhook", "https://x.example/SECRET"))
