"""Imported before all else of the service: keeps OpenSSL out of the process.

asyncio and hashlib load OpenSSL if it is installed: 5 MiB that a service never uses, because it
speaks only over its socket and to its children, and hashes no secrets. Both modules work without
it. Messages are sent by a separate process, which has OpenSSL.

No garbage is collected until the service is ready: what a start makes is kept.
"""

from __future__ import annotations

import gc
import sys

gc.disable()  # serve() enables it

for _name in ("ssl", "_ssl", "_hashlib"):
    sys.modules.setdefault(_name, None)  # type: ignore[arg-type]  # None: ImportError, as documented
