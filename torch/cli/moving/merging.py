"""The crontabs of several hosts, each read with its own users and its own cron, merged."""

from __future__ import annotations

import os
from collections.abc import Sequence

from torch.cli.moving import crontabs
from torch.cli.moving.crontabs import CrontabOptions
from torch.importing import merging
from torch.importing.merging import Merged


def read(hosts: Sequence[tuple[str, str]], options: CrontabOptions) -> Merged:
    """`hosts` are (address, file or directory). Raises TorchError for what cannot be read."""
    read = [(host, crontabs.read([path], options, alone=False)) for host, path in hosts]
    merged = merging.merge(read)
    unknown = [
        host for host, path in hosts if not (os.path.isdir(path) and crontabs.has_passwd(path))
    ]
    if unknown:
        shown = ", ".join(unknown[:3]) + (
            f" and {len(unknown) - 3} more" if len(unknown) > 3 else ""
        )
        merged.originals[0].note(
            f"{shown}: the home directories of their users ('cwd') are those of this host. To use "
            "those of each host, copy its /etc/passwd to etc/passwd in its directory."
        )
    return merged
