"""`torch` and `python -m torch`: the command line's entrance."""

from __future__ import annotations

import sys

from torch.cli import run


def main() -> None:
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
