"""How far a start is spread from its fire time. One pure function.

The spread is picked by task, host and fire time: the same for ever, so that a restart does not
move it, and different on each host, so that a fleet does not act as one. The fire time stays
the identity of the firing.
"""

from __future__ import annotations

from hashlib import blake2b

from torch.clock import FireTime


def offset(jitter: float, *, task: str, host: str, fire: FireTime) -> float:
    """Seconds after the fire time, from 0 to just below `jitter`, in whole milliseconds."""
    steps = int(jitter * 1000)
    if steps <= 0:
        return 0.0
    picked = blake2b(f"{task}\0{host}\0{fire}".encode(), digest_size=8).digest()
    return int.from_bytes(picked) % steps / 1000
