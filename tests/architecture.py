"""The rules of the house, read from the source: what may import what, who may touch the system.

`broken(path, source)` gives every broken rule as `path:line: what, and the rule`. The rules are
those of the design: imports point one way, only `daemon` touches processes and signals, only
`clock.py` reads the time, the core and planning do no I/O, and words have one meaning.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from torch.cli import COMMANDS as TABLE

NOUNS = {
    "task",
    "definition",
    "channel",
    "message",
    "notice",
    "run",
    "event",
    "errors",
    "clock",
    "settings",
    "zone",
    "linux",
    "nearest",
    "paths",
    "__version__",
}

MAY_IMPORT: dict[str, set[str]] = {
    "nouns": {"nouns"},
    "schedule": {"nouns", "schedule"},
    "taskfile": {"nouns", "schedule", "taskfile", "torch.matching.patterns"},
    "history": {"nouns", "torch.schedule.record", "history"},
    "report": {"nouns", "report"},
    "planning": {
        "nouns", "schedule", "planning", "torch.taskfile.placement", "torch.taskfile.secrets",
    },
    "notify": {"nouns", "report", "torch.taskfile.private", "notify"},
    "daemon": {
        "nouns", "schedule", "taskfile", "history", "report", "daemon", "torch.notify.wire",
        "reaper",
    },
    "reaper": {"torch.linux", "reaper"},
    "importing": {"nouns", "schedule", "taskfile", "importing"},
    "client": {
        "nouns", "history", "report", "client", "torch.daemon.folders", "torch.daemon.lock",
        "torch.daemon.proof", "torch.daemon.runfile", "torch.reaper.journal",
        "torch.reaper.processes",
    },
    "explain": {
        "nouns", "schedule", "taskfile", "history", "report", "client", "explain",
        "torch.daemon.lock",
    },
    "cli": {
        "nouns", "schedule", "taskfile", "history", "report", "importing", "planning", "client",
        "explain", "cli",
        "torch.daemon.clean", "torch.daemon.folders", "torch.daemon.launch", "torch.daemon.lock",
        "torch.daemon.proof", "torch.daemon.runfile", "torch.daemon.systemctl",
        "torch.reaper.journal", "torch.reaper.processes",
        "torch.notify.wire", "torch.notify.deliver", "torch.notify.apprise",
        "torch.matching.patterns",
    },
    "matching": {"nouns", "matching"},
    "testing": {"nouns", "schedule", "testing"},
    "__main__": {"nouns", "cli"},
}  # fmt: skip
"""Part of the house -> the parts, or single modules, that it may import."""

ANSWER = ("absences", "answer", "evidence", "fates", "reasons", "rowless")
MAY_IMPORT |= {
    f"torch.explain.{module}": {"nouns", "report", *(f"torch.explain.{each}" for each in ANSWER)}
    for module in ANSWER
}
"""The answer follows from the evidence alone: of these modules each may import only this."""

COMMANDS = {f"torch.cli.{module}" for module, _ in TABLE.values()}
"""The modules that are commands. What two of them need stands beside them, or in a part below."""

ONLY_IN = {
    "apprise": ("torch/notify/apprise.py",),
    "croniter": ("torch/schedule/expression.py",),
    "daemon": ("torch/daemon/detach.py",),  # the library python-daemon
    "time": ("torch/clock.py", "torch/reaper/instants.py"),
}
"""Library -> the modules that may import it."""

PROCESSES = {"daemon", "notify", "reaper"}
"""The parts that touch processes: the service, the reaper, which is the parent of runs, and the
process that sends one message, which starts the command of a channel and ends everything below
it."""

PROCESS_MODULES = {"subprocess", "signal", "multiprocessing", "pty"}
PROCESS_CALLS = re.compile(
    r"os\.(kill|killpg|fork\w*|exec[lv]\w*|spawn\w*|posix_spawn\w*|pidfd\w*|wait\w*|setsid|setpgid|"
    r"system|popen|set(re|res)?[ug]id|setgroups|initgroups|umask|nice|chroot)\Z"
    r"|asyncio\.create_subprocess_\w+\Z"
)
EXCEPTIONS = {
    # `torch stop` returns when the service is gone; a pidfd is the one way to wait for a stranger.
    ("torch/cli/lifecycle.py", "os.pidfd_open"),
    # `torch diff` reads an older task file from git's objects; only git can read them all.
    ("torch/cli/diff/revision.py", "subprocess"),
}
CLOCK_CALLS = re.compile(r"(datetime\.)?(datetime|date)\.(now|utcnow|today)\Z|os\.times\Z")

IO_MODULES = {
    "asyncio", "io", "logging", "multiprocessing", "os", "pathlib", "random", "secrets", "select",
    "shutil", "signal", "socket", "sqlite3", "subprocess", "sys", "tempfile", "threading", "time",
}  # fmt: skip
IO_CALLS = re.compile(r"(open|print|input|exec|eval)\Z")
PURE = {
    "schedule": "the core",
    "importing": "reading other files",
    "planning": "planning",
}
"""Parts without I/O, and what a broken rule calls them."""

NOT_USED = {
    "job", "jobs", "worker", "workers", "manager", "managers", "tick", "ticks", "helper",
    "helpers", "util", "utils", "common",
}  # fmt: skip

ONE_DOOR = {"reserve": "torch/schedule/admission.py"}
"""Method of the core -> the one module that may call it: no run has a slot that passed no gate."""

CORE_ONLY = {"torch.schedule.state", "torch.schedule.live", "torch.schedule.keepalive"}
"""What is mutable in the core: others see a snapshot of it."""

LIMIT = 300


def broken(path: str, source: str) -> list[str]:
    """Every rule that the module at `path` ('torch/cli/logs.py') breaks, in order of lines."""
    tree = ast.parse(source)
    found = [*_imports(path, tree), *_calls(path, tree), *_words(path, tree)]
    if not ast.get_docstring(tree):
        found.append((1, "has no docstring; a module opens with its rules"))
    lines = source.count("\n")
    if lines > LIMIT:
        found.append((LIMIT, f"has {lines} lines; past {LIMIT} a module does two things"))
    return [f"{path}:{line}: {what}" for line, what in sorted(found)]


def part_of(module: str) -> str:
    """'torch.cli.logs' -> 'cli', 'torch.task' -> 'nouns'."""
    name = module.split(".")[1] if "." in module else "nouns"
    return "nouns" if name in NOUNS else name


def imported(path: str, tree: ast.Module) -> Iterator[tuple[int, str]]:
    """(line, dotted module) of every import, wherever it stands; relative ones made absolute."""
    package = path.removesuffix(".py").split("/")[:-1]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            # `from torch import event` and `from torch.daemon import lock` name modules.
            deep = module == "torch" or (module.startswith("torch.") and module.count(".") == 1)
            names = [f"{module}.{alias.name}" for alias in node.names] if deep else [module]
            yield from ((node.lineno, name) for name in names)


def _imports(path: str, tree: ast.Module) -> Iterator[tuple[int, str]]:
    part = part_of(path.removesuffix(".py").removesuffix("/__init__").replace("/", "."))
    name = path.removesuffix(".py").replace("/", ".")
    allowed = MAY_IMPORT.get(name, MAY_IMPORT.get(part, set()))
    for line, module in imported(path, tree):
        top = module.split(".")[0]
        if top == "torch" and part_of(module) not in allowed:
            if not any(module == name or module.startswith(f"{name}.") for name in allowed):
                rule = ", ".join(sorted(allowed)) or "nothing of torch"
                yield line, f"imports {module}; {part} may import {rule}"
        elif module in CORE_ONLY and part != "schedule":
            yield line, f"imports {module}, which changes; others see torch.schedule.snapshot"
        elif owner := _command_of(module, name):
            yield line, f"imports {module}; no command imports another, and it is {owner}'s"
        elif top == "click" and part != "cli":
            yield line, "imports click; only cli speaks to a terminal"
        elif top in ONLY_IN and path not in ONLY_IN[top]:
            yield line, f"imports {top}; only {' and '.join(ONLY_IN[top])} may"
        elif top in PROCESS_MODULES and part not in PROCESSES and (path, top) not in EXCEPTIONS:
            yield (
                line,
                f"imports {top}; only {' and '.join(sorted(PROCESSES))} touch processes",
            )
        elif top in IO_MODULES and part in PURE:
            yield line, f"imports {top}; {PURE[part]} does no I/O"


def _command_of(module: str, importer: str) -> str:
    """The command that an imported module is, or is a part of; '' where all of cli may import it,
    or the importer belongs to that command itself."""
    for command in COMMANDS:
        folder = command.removesuffix(".command")
        if module in (command, folder) or module.startswith(f"{folder}."):
            return "" if importer.startswith(f"{folder}.") else folder
    return ""


def _calls(path: str, tree: ast.Module) -> Iterator[tuple[int, str]]:
    part = part_of(path.removesuffix(".py").replace("/", "."))
    bare = {
        alias.asname or alias.name: f"{node.module}.{alias.name}"
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module in {"os", "asyncio"}
        for alias in node.names
    }
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Compare)
            and part != "taskfile"
            and "TaskType." in ast.unparse(node)
        ):
            yield node.lineno, "compares a type of task; its policy (torch/task.py) is asked"
        if isinstance(node, ast.Attribute) and ONE_DOOR.get(node.attr, path) != path:
            yield node.lineno, f"uses {node.attr}; only {ONE_DOOR[node.attr]} may"
        if isinstance(node, ast.Name) and node.id in bare:
            name = bare[node.id]
        elif isinstance(node, ast.Attribute):
            name = ast.unparse(node)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            name = node.func.id
        else:
            continue
        if PROCESS_CALLS.match(name) and part not in PROCESSES and (path, name) not in EXCEPTIONS:
            yield (
                node.lineno,
                f"uses {name}; only {' and '.join(sorted(PROCESSES))} touch processes",
            )
        elif CLOCK_CALLS.match(name) and path != "torch/clock.py":
            yield node.lineno, f"uses {name}; time is an argument, only torch/clock.py reads it"
        elif IO_CALLS.match(name) and part in PURE and isinstance(node, ast.Call):
            yield node.lineno, f"calls {name}(); {PURE[part]} does no I/O"


def _words(path: str, tree: ast.Module) -> Iterator[tuple[int, str]]:
    names = [(1, "module", path.rsplit("/", 1)[-1].removesuffix(".py"))]
    names += [
        (node.lineno, "class" if isinstance(node, ast.ClassDef) else "function", node.name)
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    for line, kind, name in names:
        words = re.findall(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])", name)
        for word in NOT_USED.intersection(word.lower() for word in words):
            yield line, f"{kind} '{name}' uses the word '{word}', which the glossary has not"
        if kind == "function" and name.strip("_") == "process":
            yield line, "'process' as a verb says nothing; name what is done"
