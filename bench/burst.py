"""1 000 tasks due in one second, as their processes see it, beside a bare loop that spawns the
same 1 000 shims with the same files and nothing else. Measured is the second time they are due:
the first time each task's output folder is made, once for all its life."""

from __future__ import annotations

import fcntl
import os
import tempfile
import time

from bench.host import Host, until
from bench.table import Figure, percentile
from torch.daemon.spawn import SHELL, SHIM

COUNT = 1000
APART = 8
"""Seconds; the first thousand are long over by then."""

PROBE = ["/bin/date", "+%s.%N"]


def measure(*, quick: bool) -> list[Figure]:
    rounds = 1 if quick else 3
    pairs = [(_ours(), _bare()) for _ in range(rounds)]
    ratios = [percentile(a, 95) / percentile(b, 95) for a, b in pairs]
    ours, bare = pairs[ratios.index(sorted(ratios)[len(ratios) // 2])]
    return [
        Figure(
            what=f"{COUNT} tasks due in one second",
            ours=f"{_words(ours)}; ratios of p95 {', '.join(f'{r:.2f}' for r in ratios)}",
            limit=f"bare loop: {_words(bare)}",
            goal="p95 ≤ 1.3 × bare",
            reached=sorted(ratios)[len(ratios) // 2] <= 1.3,
        )
    ]


def _words(late: list[float]) -> str:
    return f"p50 {percentile(late, 50):.0f}, p95 {percentile(late, 95):.0f} ms (n={len(late)})"


def _ours() -> list[float]:
    with Host() as host:
        first = int(time.time()) + 8
        at = first + APART
        schedule = f'["{_expression(first)}", "{_expression(at)}"]'
        host.write(
            "tasks:\n"
            + "".join(
                f"  - name: t{number}\n    schedule: {schedule}\n    command: {PROBE}\n"
                for number in range(COUNT)
            )
        )
        host.start()
        if time.time() > first - 1:
            raise SystemExit("the service was not ready before its second; a slow machine?")
        time.sleep(at - time.time() + 1)
        seen: dict[str, float] = {}

        def complete() -> bool:
            for number in range(COUNT):
                name = f"t{number}"
                if name not in seen and len(found := host.outputs(name)) == 2:
                    seen[name] = max(found)
            return len(seen) == COUNT

        until(f"{COUNT} runs have written", complete)
    return [(value - at) * 1000 for value in seen.values()]


def _expression(at: int) -> str:
    fields = time.strftime("%S %M %H %d %m *", time.localtime(at)).split()
    return " ".join(field.lstrip("0") or "0" for field in fields)


def _bare() -> list[float]:
    with tempfile.TemporaryDirectory(prefix="torch-bench-") as folder:
        at = time.time()
        spawned = [spawn_bare(folder, number, PROBE) for number in range(COUNT)]
        for pid, _ in spawned:
            os.waitpid(pid, 0)
        late = []
        for _, output in spawned:
            with open(output, encoding="ascii") as file:
                late.append((float(file.read()) - at) * 1000)
    return late


def spawn_bare(folder: str, number: int, argv: list[str]) -> tuple[int, str]:
    """The same shim as ours, with the files it needs; returns its pid and its output's path."""
    output = f"{folder}/out-{number}"
    run_file = os.open(f"{folder}/run-{number}", os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    fcntl.flock(run_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    out = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    wait, go = os.pipe2(os.O_CLOEXEC)
    pid = os.posix_spawn(
        SHELL, [SHELL, "-c", SHIM, "torch", "1024", "0022", "/", *argv],
        {"PATH": "/usr/bin:/bin"}, setsid=True,
        file_actions=[
            (os.POSIX_SPAWN_DUP2, run_file, 0),
            (os.POSIX_SPAWN_DUP2, out, 1),
            (os.POSIX_SPAWN_DUP2, out, 2),
            (os.POSIX_SPAWN_DUP2, wait, 3),
        ],
    )  # fmt: skip
    os.write(go, b"\n")
    for fd in (run_file, out, wait, go):
        os.close(fd)
    return pid, output
