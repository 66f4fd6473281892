"""What the sending process is told, and what it answers: one JSON document in, one line out.

Owns both forms and what the exit codes mean. Pure, and cheap to import: the service imports it.
The order holds the secret of the channel, so it goes through a pipe, never through arguments or
the environment, which others can read.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from torch.channel import Channel
from torch.errors import ExitCode
from torch.message import Message

TIMEOUT = 30.0
"""Seconds that one delivery may take where nothing else is said."""

MARGIN = 3.0
"""Seconds after its timeout in which the process ends, by itself or by the kernel's alarm."""

ORDER_LIMIT = 8 * 2**20
"""Bytes of an order; a longer one is refused unread."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """How one delivery ended. `detail`: one harmless line, without secrets.

    `permanent`: the same again would end the same; `retry_after`: seconds that the receiver
    asks us to wait.
    """

    ok: bool
    detail: str
    permanent: bool = False
    retry_after: float | None = None


def argv() -> list[str]:
    """The command line of the sending process. -I: nothing of the caller's Python reaches it."""
    return [sys.executable, "-I", "-m", "torch.notify"]


def order(channel: Channel, message: Message, timeout: float = TIMEOUT) -> bytes:
    """What the process reads on its standard input, to the end."""
    document = {"channel": channel.as_json(), "message": message.as_json(), "timeout": timeout}
    return json.dumps(document).encode("ascii")


def read_order(data: bytes) -> tuple[Channel, Message, float]:
    """The same back. Raises ValueError for what is no order, without repeating any of it."""
    if len(data) > ORDER_LIMIT:
        raise ValueError(f"larger than {ORDER_LIMIT} bytes")
    try:
        document: dict[str, Any] = json.loads(data)
        channel = Channel.from_json(document["channel"])
        message = Message.from_json(document["message"])
        timeout = float(document.get("timeout", TIMEOUT))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(type(error).__name__) from None
    return channel, message, min(max(timeout, 0.1), 3600.0)  # nan ends as 0.1


def answer(result: Result) -> bytes:
    """The one line that the process writes."""
    values = {name: value for name, value in asdict(result).items() if value is not None}
    if result.ok:
        values.pop("permanent")
    return json.dumps(values).encode("ascii") + b"\n"


def exit_code(result: Result) -> ExitCode:
    """0 delivered, 75 worth another try, 69 not."""
    if result.ok:
        return ExitCode.OK
    return ExitCode.UNREACHABLE if result.permanent else ExitCode.TRY_AGAIN


def understand(output: bytes, code: int | None) -> Result:
    """What the process said and how it ended. One that said nothing is worth another try; `code`
    is its exit code, negative for a signal, None when it was given up."""
    try:
        values = json.loads(output)
    except ValueError:
        values = None
    if isinstance(values, Mapping) and isinstance(values.get("ok"), bool):
        after = values.get("retry_after")
        return Result(
            ok=values["ok"],
            detail=str(values.get("detail", "")),
            permanent=bool(values.get("permanent", False)),
            retry_after=float(after) if isinstance(after, int | float) else None,
        )
    how = "was given up" if code is None else f"ended with {code}"
    return Result(ok=False, detail=f"the sending process {how} and said nothing")
