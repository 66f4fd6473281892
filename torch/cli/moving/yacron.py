"""The files of a configuration of yacron: one file, or those of a directory that yacron reads."""

from __future__ import annotations

import os
from collections.abc import Sequence

from torch.cli.moving import files
from torch.errors import TorchError
from torch.importing import yacron_tree
from torch.importing.draft import Original

_ENDINGS = (".yaml", ".yml")


def read(paths: Sequence[str]) -> list[Original]:
    """The pieces of each configuration with all that it includes. Raises TorchError."""
    originals: list[Original] = []
    for path in paths:
        skipped: list[str] = []
        names = _directory(path, skipped) if path != "-" and os.path.isdir(path) else [path]
        found = [(name, files.read(name)) for name in names]
        files.within(sum(len(data) for _, data in found))
        read = yacron_tree.read(found, _load)
        read = read or [Original(path)]
        if skipped:
            read[0].note(
                f"in {path}, {', '.join(skipped)} were not read: yacron reads files that end in "
                ".yaml or .yml and do not begin with _ or a dot; others only by 'include'."
            )
        originals += read
    return originals


def _directory(path: str, skipped: list[str]) -> list[str]:
    """The files that yacron reads of a directory; it leaves the order to the disk, we sort."""
    found = []
    for name in files.listed(path):
        base, ending = os.path.splitext(name)
        if what := files.kind(os.path.join(path, name)):
            skipped.append(f"{name} ({what})")
        elif base[0] in "_." or ending not in _ENDINGS:
            skipped.append(name)
        else:
            found.append(os.path.join(path, name))
    return found


def _load(path: str) -> bytes | str:
    try:
        return files.read("./-" if path == "-" else path)  # a name, not standard input
    except TorchError as error:
        cause = error.__cause__
        return files.reason(cause) if isinstance(cause, Exception) else error.message
