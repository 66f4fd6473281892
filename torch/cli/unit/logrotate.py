"""The logrotate snippet for torch.log.

Owns the text. If the log was moved away, the service opens it again with its next line; the
signal makes it do so at once. While the lock is free no process is signalled, so a stale pid never
is. logrotate runs as root, so the process must belong to the owner of the lock file. The service
itself limits the output files of tasks.
"""

from __future__ import annotations

import shlex

from torch import __version__
from torch.settings import Settings


def text(settings: Settings) -> str:
    lock = shlex.quote(settings.lock)
    log = settings.log.replace("\\", "\\\\").replace('"', '\\"')
    return f"""\
# Torch {__version__}. Written by: torch unit logrotate
"{log}" {{
    daily
    maxsize 100M
    rotate 14
    compress
    delaycompress
    missingok
    notifempty
    create
    postrotate
        [ ! -f {lock} ] || flock -ns {lock} true || {{
            pid=$(cat {lock})
            [ "$(stat -c %u "/proc/$pid")" != "$(stat -c %u {lock})" ] || kill -USR1 "$pid"
        }}
    endscript
}}
"""
