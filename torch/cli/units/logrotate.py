"""The logrotate snippet for torch.log.

Owns the text. The service opens its log anew by itself when the file was moved away, with its
next line; the signal makes that at once. Whoever holds the lock is the service, so a stale pid
is never signalled. Output files of tasks are the service's own business.
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
        [ ! -e {lock} ] || flock -ns {lock} true || kill -USR1 "$(cat {lock})"
    endscript
}}
"""
