"""Reading which notices were told whom: what `torch notify history` asks.

Owns the shape of a notice as scripts see it. Never writes; see `reader`.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch.clock import rfc3339
from torch.history.reader import reading

STATES = ("owed", "sent", "given_up")


@dataclass(frozen=True, slots=True)
class ToldRow:
    """One notice on one channel. Times are epoch seconds; `tries` and `detail` of its end."""

    id: str
    channel: str
    task: str
    kind: str
    at: float
    state: str
    tries: int
    ended_at: float | None
    detail: str

    def as_json(self) -> dict[str, object]:
        return {
            "id": self.id,
            "channel": self.channel,
            "task": self.task,
            "kind": self.kind,
            "at": rfc3339(self.at, milliseconds=True),
            "state": self.state,
            "tries": self.tries,
            "ended_at": rfc3339(self.ended_at, milliseconds=True),
            "detail": self.detail,
        }


def told(
    path: str, *, task: str | None = None, channel: str | None = None, state: str | None = None,
    limit: int = 20,
) -> list[ToldRow]:  # fmt: skip
    """The newest `limit` notices, newest first; each channel has a row of its own."""
    wanted = {"task": task, "channel": channel, "state": state}
    where = [f"{name} = :{name}" for name, value in wanted.items() if value is not None]
    sql = (
        "SELECT id, channel, task, kind, at, state, tries, ended_at, detail FROM notice "
        f"WHERE {' AND '.join(where) or '1'} ORDER BY at DESC, rowid DESC LIMIT :limit"
    )
    with reading(path) as db:
        return [ToldRow(*row) for row in db.execute(sql, wanted | {"limit": limit})]
