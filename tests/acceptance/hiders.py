"""Programs that leave their run behind in every way known to us, and how a test tells what lives.

Each writes the pid of what it hides to DIR/NAME, and each run first writes to DIR/beside what still
lives of the run before it: by then the slot was said to be free.
"""

from __future__ import annotations

from tests.service import Service, alive

_REWRITES = """
import ctypes, os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print(os.getpid(), flush=True)
fields = open("/proc/self/stat").read().rpartition(")")[2].split()
begin, end = int(fields[47]), int(fields[48])
ctypes.memset(begin, 0, end - begin)
ctypes.CDLL(None).prctl(15, b"kworker/0:0", 0, 0, 0)
os.setsid()
time.sleep(600)
"""

_CHAIN = """
import os, time
os.environ.clear()
end = time.monotonic() + 40
while time.monotonic() < end:
    os.setsid() if os.getpid() != os.getsid(0) else None
    print(os.getpid(), flush=True)
    if os.fork():
        os._exit(0)
    time.sleep(0.02)
"""

_ORPHANED = """
import os, resource, signal, time
os.setsid()
resource.setrlimit(15, (-1, -1))
os.environ.clear()
code = "import os, signal, time; os.setsid(); signal.signal(15, signal.SIG_IGN);"
code += "print(os.getpid(), flush=True); time.sleep(600)"
os.spawnve(os.P_WAIT, "/usr/bin/python3", ["python3", "-c", code], {})
"""
"""Ancestry is all that ties the deaf one to its run, and its parent is ended by SIGTERM."""

HIDERS = {
    "orphaned": f"(python3 -c '{_ORPHANED}' >>DIR/NAME 2>>DIR/errors &); sleep 600",
    "session": "setsid -w env -i sh -c 'echo $$; exec sleep 600' >>DIR/NAME",
    "forks-twice": "(env -i setsid sh -c 'trap \"\" TERM; echo $$; while :; do sleep 0.2; done'"
    " >>DIR/NAME 2>/dev/null </dev/null &); sleep 600",
    "rewrites": f"(python3 -c '{_REWRITES}' >>DIR/NAME &); sleep 600",
    "chain": f"(setsid python3 -c '{_CHAIN}' >>DIR/NAME &); sleep 600",
    "breeds": "trap '' TERM; while :; do setsid -f env -i sh -c 'echo $$; exec sleep 600'"
    " >>DIR/NAME; sleep 0.02; done",
    "is-stopped": "(env -i setsid sh -c 'echo $$ >>DIR/NAME; kill -STOP 0; exec sleep 600' &);"
    " while [ ! -s DIR/NAME ]; do sleep 0.02; done; kill -STOP 0; sleep 600",
    "as-another": "su - nobody -s /bin/sh -c 'echo $$; exec sleep 600' >>DIR/NAME 2>/dev/null",
    "as-another-deaf": 'su - nobody -s /bin/sh -c \'trap "" TERM; echo $$; while :; do sleep 0.2;'
    " done' >>DIR/NAME 2>/dev/null",
}

AS_ROOT = ("as-another", "as-another-deaf")

_BESIDE = """
touch DIR/NAME
while read pid; do
  grep -qs '^State:.[RSDTt]' /proc/$pid/status && echo NAME $pid >>DIR/beside
done <DIR/NAME
"""


def command(name: str) -> str:
    text = _BESIDE + HIDERS[name].replace("\n\n", "\n") + "\n"
    return text.replace("NAME", name)


def hidden(service: Service, name: str) -> list[int]:
    return [int(line) for line in service.lines(name)]


def living(service: Service, names: list[str]) -> list[tuple[str, int]]:
    return [(name, pid) for name in names for pid in hidden(service, name) if alive(pid)]
