"""`torch` and `python -m torch`: the command line's entrance, and its way out.

Owns what a short process need not do: collect garbage while modules are read, and take itself
apart at its end. Of `torch status` that was a fifth.
"""

from __future__ import annotations

import gc

gc.disable()  # before anything is imported

import os  # noqa: E402
import sys  # noqa: E402

from torch.cli import run  # noqa: E402

_YOUNG = 50_000
"""Objects that come before the first collection: a thousand tasks in a table are fewer."""


def main() -> None:
    gc.freeze()  # modules are never garbage
    gc.set_threshold(_YOUNG)
    gc.enable()
    leave(run(sys.argv[1:]))


def leave(code: int) -> None:
    """Ends the process at once, where nothing is left to be done but to forget."""
    threading = sys.modules.get("threading")  # where nobody imported it, there is one thread
    if (threading and threading.active_count() > 1) or sys.getprofile() or sys.gettrace():
        sys.exit(code)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):  # as Python's own end does; it was said, or nobody reads
            code = code or 1
    os._exit(code)


if __name__ == "__main__":
    main()
