"""The keys of a task that say who is told of what; `keys.py` has them in its table.

Owns their vocabulary, as `keys.py` owns that of the others.
"""

from __future__ import annotations

from torch.taskfile import channels
from torch.taskfile.kinds import Key
from torch.taskfile.quantities import duration

ALERT_KEYS: tuple[Key, ...] = (
    Key(
        name="on_failure",
        kind=channels.names(0),
        default=(),
        shown="none",
        example="[ops]",
        doc="Channels told when the task begins to fail, its retries used up.",
    ),
    Key(
        name="on_recovery",
        kind=channels.names(0),
        default=None,
        shown="whoever was told of the trouble",
        example="[ops]",
        doc="Channels told of the first success after it.",
    ),
    Key(
        name="on_missed",
        kind=channels.names(0),
        default=(),
        shown="none",
        example="[ops]",
        doc="Channels told of fires that were missed.",
    ),
    Key(
        name="on_crash_loop",
        kind=channels.names(0),
        default=(),
        shown="none",
        example="[ops]",
        doc="Channels told when a daemon task keeps dying.",
    ),
    Key(
        name="remind_after",
        kind=duration(60),
        default=14_400.0,
        shown="`4h`",
        example="1d",
        doc="While a trouble lasts it is told again with the first failure after this long.",
    ),
    Key(
        name="alert_on",
        kind=channels.alerts(),
        default=(),
        shown="none",
        example='[{pattern: "ERROR|panic", notify: [ops]}]',
        doc="Patterns in the output, and whom they tell.",
    ),
)
