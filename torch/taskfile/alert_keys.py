"""The keys of a task that say who is notified of what; `keys.py` has them in its table.

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
        doc="Channels notified when the task begins to fail, after its retries.",
    ),
    Key(
        name="on_recovery",
        kind=channels.names(0),
        default=None,
        shown="the channels notified of the failure",
        example="[ops]",
        doc="Channels notified of the first success after a failure; `[]`: none.",
    ),
    Key(
        name="on_missed",
        kind=channels.names(0),
        default=(),
        shown="none",
        example="[ops]",
        doc="Channels notified of missed runs.",
    ),
    Key(
        name="on_crash_loop",
        kind=channels.names(0),
        default=(),
        shown="none",
        example="[ops]",
        doc="Channels notified when a daemon task is crash-looping.",
    ),
    Key(
        name="remind_after",
        kind=duration(60),
        default=14_400.0,
        shown="`4h`",
        example="1d",
        doc="While failures continue, the first after this time sends a reminder.",
    ),
    Key(
        name="alert_on",
        kind=channels.alerts(),
        default=(),
        shown="none",
        example='[{pattern: "ERROR|panic", notify: [ops]}]',
        doc="Patterns to find in the output, and the channels to notify.",
    ),
)
