"""Where things are on this host: the files of one service, from options and environment.

Owns the table in docs/reference.md, Files. Options win over TORCH_… variables, those over the
defaults: the system's directories for root, the XDG base directories for everybody else.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from torch.errors import SettingsError

LOG_FORMATS = ("auto", "logfmt", "json")
"""auto: logfmt in the log file, plain sentences in the foreground."""

HISTORY_DAYS = range(1, 36_501)
HISTORY_ROWS = range(1_000, 1_000_000_001)
"""What may be asked for: rows of so many days, and of them so many."""

REPORT_EVERY = range(1441)
"""Minutes between two lines in which the service reports on itself; 0: none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Absolute paths of one service's files, and which host it takes itself for.

    `address` None: the host's own interfaces say. All directories may not exist yet.
    """

    task_file: str
    run_dir: str  # pid, lock, socket
    state_dir: str  # history, reapers
    log_dir: str  # torch.log, output/
    address: str | None = None
    log_format: str = "auto"
    history_days: int = 90
    history_rows: int = 1_000_000
    report_every: int = 5

    @property
    def where(self) -> str:
        """For messages: which directories were looked into."""
        run = f", run directory {self.run_dir}" if self.run_dir != self.state_dir else ""
        return f"state directory {self.state_dir}{run}"

    @property
    def lock(self) -> str:
        return f"{self.run_dir}/torch.lock"

    @property
    def state_lock(self) -> str:
        """The same as `lock` where all is under one directory. Two services with a run directory
        each must not share a history: XDG_RUNTIME_DIR is not the same in every session."""
        return f"{self.state_dir}/torch.lock"

    @property
    def restart_lock(self) -> str:
        """Held by `torch restart`: while one is between two services, another one would find none
        and start it with other settings."""
        return f"{self.run_dir}/restart.lock"

    @property
    def pid_file(self) -> str:
        return f"{self.run_dir}/torch.pid"

    @property
    def socket(self) -> str:
        return f"{self.run_dir}/torch.sock"

    @property
    def history(self) -> str:
        return f"{self.state_dir}/history.db"

    @property
    def reapers(self) -> str:
        """A directory for each reaper: its journal, its socket, what its runs print into."""
        return f"{self.state_dir}/reapers"

    @property
    def runs(self) -> str:
        """Run files, of runs that a service before the reaper has started."""
        return f"{self.state_dir}/runs"

    @property
    def log(self) -> str:
        return f"{self.log_dir}/torch.log"

    @property
    def output(self) -> str:
        return f"{self.log_dir}/output"

    def as_dict(self) -> dict[str, str | int | None]:
        return asdict(self)


def resolve(
    environ: Mapping[str, str],
    *,
    uid: int,
    task_file: str | None = None,
    state_dir: str | None = None,
    run_dir: str | None = None,
    log_dir: str | None = None,
    address: str | None = None,
    log_format: str | None = None,
) -> Settings:
    """Settings from options (None: not given) and environment. Raises SettingsError."""
    if state_dir:  # an option wins over every variable
        environ = {k: v for k, v in environ.items() if k not in ("TORCH_RUN_DIR", "TORCH_LOG_DIR")}
    base = state_dir or environ.get("TORCH_STATE_DIR")
    run, state, log, config = _defaults(environ, uid) if not base else (base, base, base, None)
    if config is None:
        config = _defaults(environ, uid)[3]
    address = address or environ.get("TORCH_ADDRESS") or None
    if address is not None:
        import ipaddress  # only who names an address pays for it

        try:
            given = ipaddress.ip_address(address)
            address = str(getattr(given, "ipv4_mapped", None) or given)
        except ValueError as error:
            raise SettingsError(
                f"'{address}' is not an IP address", hint="example: --address 10.0.1.11"
            ) from error
    log_format = log_format or environ.get("TORCH_LOG_FORMAT") or "auto"
    if log_format not in LOG_FORMATS:
        raise SettingsError(
            f"unknown log format '{log_format}'", hint="known: " + ", ".join(LOG_FORMATS)
        )
    return Settings(
        task_file=_absolute(task_file or environ.get("TORCH_FILE") or f"{config}/tasks.yaml"),
        run_dir=_absolute(run_dir or environ.get("TORCH_RUN_DIR") or run),
        state_dir=_absolute(state),
        log_dir=_absolute(log_dir or environ.get("TORCH_LOG_DIR") or log),
        address=address,
        log_format=log_format,
        history_days=_number(
            "TORCH_HISTORY_DAYS", environ.get("TORCH_HISTORY_DAYS"), HISTORY_DAYS, 90
        ),
        history_rows=_number(
            "TORCH_HISTORY_ROWS", environ.get("TORCH_HISTORY_ROWS"), HISTORY_ROWS, 1_000_000
        ),
        report_every=_number(
            "TORCH_REPORT_EVERY", environ.get("TORCH_REPORT_EVERY"), REPORT_EVERY, 5
        ),
    )


def _number(name: str, text: str | None, allowed: range, default: int) -> int:
    if not text:
        return default
    if text.isascii() and text.isdigit() and len(text) < 12 and int(text) in allowed:
        return int(text)
    raise SettingsError(
        f"{name} is {text[:40]!r}; allowed is a whole number from {allowed[0]} to {allowed[-1]}",
        hint=f"unset it for {default}",
    )


def _defaults(environ: Mapping[str, str], uid: int) -> tuple[str, str, str, str]:
    """(run, state, log, config) directories. Source for non-root: XDG Base Directory 0.8."""
    if uid == 0:
        return "/run/torch", "/var/lib/torch", "/var/log/torch", "/etc/torch"
    home = environ.get("HOME") or os.path.expanduser("~")
    state = (environ.get("XDG_STATE_HOME") or f"{home}/.local/state") + "/torch"
    runtime = environ.get("XDG_RUNTIME_DIR")
    run = f"{runtime}/torch" if runtime else f"{state}/run"
    config = (environ.get("XDG_CONFIG_HOME") or f"{home}/.config") + "/torch"
    return run, state, f"{state}/log", config


def _absolute(path: str) -> str:
    if "\0" in path:
        raise SettingsError("a path may not contain a NUL character")
    try:
        whole = os.path.abspath(path)
    except FileNotFoundError as error:
        raise SettingsError(
            "the current directory is gone", hint="cd to one that is there, or name whole paths"
        ) from error
    try:
        whole.encode()
    except UnicodeEncodeError as error:  # the log, the history and JSON could not name it
        shown = os.fsencode(whole).decode("utf-8", "backslashreplace")
        raise SettingsError(
            f"the path '{shown}' is not UTF-8",
            hint="rename it, or use another with --state-dir, --run-dir, --log-dir or -f",
        ) from error
    return whole
