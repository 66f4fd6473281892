"""A crontab -> drafts of tasks. The reference is Debian's cron (`crontab(5)`, 3.0pl1-162).

Owns the lines: which is an entry, a setting, a comment. How many fields an entry has is
`cron_entry`'s, what a setting means `cron_env`'s, a time `cron_time`'s, a percent sign
`percent`'s. Must not know the host: homes and users are arguments.

Rules:
- A setting holds for the lines under it, as in cron.
- `cwd` is the user's home, where cron runs a command; Torch would take `/`.
- What root's crontabs run has no `user`: the service is root's, and `user` would take from a task
  the right to gain privileges.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace

from torch.errors import ExpressionError
from torch.importing import (
    anacrontab,
    cron_comments,
    cron_entry,
    cron_env,
    cron_time,
    exports,
    naming,
    percent,
    supercronic,
    user_column,
)
from torch.importing.cron_entry import Form
from torch.importing.cron_reviews import notes, of_command
from torch.importing.crons import Cron
from torch.importing.draft import Draft, Original, Remark, Value
from torch.importing.proof import refusal, too_many
from torch.importing.user_column import Layout
from torch.taskfile.nodes import ENTRIES

_WORD = re.compile(r"([^ \t]+)[ \t]*(.*)", re.DOTALL)
_FIELDS = 5
_SUPERCRONIC = (Form.YEAR, Form.SECOND_AND_YEAR)
_LONGEST = 998  # characters of a command, in Debian's cron


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """What the caller knows of a host. `home` gives a user's home where that is a folder."""

    users: Collection[str] = ()
    home: Callable[[str], str | None] = field(default=lambda _: None)


def read(
    data: bytes,
    *,
    file: str,
    host: Host,
    column: bool | None = None,
    owner: str = "",
    cron: Cron = Cron.DEBIAN,
) -> Original:
    """The pieces of a crontab. `column` says whether it has a user column, None: guess.

    `cron` is whose crontab it is; lines with years make it supercronic's. Raises TaskFileError
    for an anacrontab.
    """
    return _Reader(data, file, host, column, owner, cron).original


class _Reader:
    def __init__(
        self, data: bytes, file: str, host: Host, column: bool | None, owner: str, cron: Cron
    ) -> None:
        self.original = Original(file)
        self._host = host
        text = data.decode("utf-8", "surrogateescape").removeprefix("\ufeff")
        self._lines = text.split("\n")
        if self._lines and not self._lines[-1]:
            self._lines.pop()
            self._unended = 0
        else:
            self._unended = len(self._lines)
        self._strip_returns()
        anacrontab.refuse(self._lines, file)
        self._entries = self._parse()
        if any(entry.form in _SUPERCRONIC for entry in self._entries.values()):
            cron = Cron.SUPERCRONIC
        self._cron = cron
        self._layout = self._lay_out(column, owner)
        self._environment = cron_env.Environment(self.original, cron)
        if cron is Cron.SUPERCRONIC:  # they hold for its whole file, wherever they stand
            self._set_all()
        self._above: list[str] = []
        self._drafts = 0
        for number, line in enumerate(self._lines, 1):
            self._read(number, line)
        self._flush()
        self._tell_unused()
        self._note()

    def _parse(self) -> dict[int, cron_entry.CronEntry]:
        """The entries by line, those that no time is read in left out."""
        found = {}
        for number, line in enumerate(self._lines, 1):
            if line.strip() and line.lstrip(" \t")[:1] != "#" and not cron_env.read(line):
                entry = cron_entry.read(line)
                if entry is not None:
                    found[number] = entry
        return found

    def _set_all(self) -> None:
        for number, line in enumerate(self._lines, 1):
            if not line.lstrip(" \t").startswith("#") and not _unreadable(line):
                setting = cron_env.read(line)
                if setting is not None:
                    self._environment.set(number, line, *setting)

    def _strip_returns(self) -> None:
        # A last line without a line end has lost its CR too.
        ended = self._lines[: -1 if self._unended else None]
        if ended and all(line.endswith("\r") for line in ended):
            self._lines = [line.removesuffix("\r") for line in self._lines]
            self.original.note(
                "the lines ended in CR LF; cron passes the CR to the command, Torch does not"
            )

    def _lay_out(self, column: bool | None, owner: str) -> Layout:
        found = user_column.of_path(self.original.file)
        if column is None and found is not None:
            return Layout(found.column, "" if found.column else owner or found.owner)
        if column is None:
            column = not owner and user_column.of_lines(self._sixth_words(), self._host.users)
            if column:
                self.original.note(
                    "the sixth word of each line is a user, so this was read as a system crontab; "
                    "if it is not one, import it with --no-user-column"
                )
        return Layout(column, "" if column else owner)

    def _sixth_words(self) -> list[str]:
        words = []
        for entry in self._entries.values():
            if cron_time.is_time(entry.time, entry.form):
                found = _WORD.match(entry.rest)
                words.append(found[1] if found and found[2] else "")
        return words

    def _read(self, number: int, line: str) -> None:
        if not line.strip(" \t"):
            self._flush()
        elif line.lstrip(" \t").startswith("#"):
            self._above.append(cron_comments.text_of(line))
        elif bad := _unreadable(line):
            self._flush()
            self.original.unmapped(number, line, bad)
        elif (setting := cron_env.read(line)) is not None:
            if self._above:  # a comment on a setting would be lost without it
                self._above.append(line.strip())
            self._flush()
            if self._cron is not Cron.SUPERCRONIC:
                self._environment.set(number, line, *setting)
        else:
            self._read_entry(number, line)

    def _flush(self) -> None:
        lines, self._above = self._above, []
        texts = [at for at, line in enumerate(lines) if line.strip()]
        if texts:
            lines = lines[texts[0] : texts[-1] + 1]
            self.original.add(Remark(tuple(map(cron_comments.kept, lines))))

    def _read_entry(self, number: int, line: str) -> None:
        stay, description = cron_comments.split(self._above)
        self._above, above = stay, self._above
        draft = self._draft(number, line, description)
        if isinstance(draft, Draft):
            self._flush()
            self._environment.used()
            self.original.add(draft)
            self._drafts += 1
            if self._drafts > ENTRIES:  # the rest would be read for nothing
                raise too_many(self.original.file)
        else:
            self._above = above
            self._flush()
            self.original.unmapped(number, line, draft)

    def _draft(self, number: int, line: str, description: str) -> Draft | str:
        """The task of a line, or why it is none."""
        entry = self._entries.get(number)
        if entry is None:
            count = len(line.split())
            return f"it has {count} of the {_FIELDS} fields and no command"
        try:
            schedule, reviews = cron_time.schedule(entry.time, entry.form)
        except ExpressionError as error:
            return cron_time.reason(error)
        user, text = self._layout.owner, entry.rest
        if self._layout.column:
            found = _WORD.match(text)
            user, text = (found[1], found[2]) if found else ("", "")
        if not text.strip(" \t"):
            return "it has a user, but no command" if user and self._layout.column else (
                "it has no command"
            )  # fmt: skip
        command, data = (
            (text, "") if self._cron is Cron.SUPERCRONIC else percent.split(text)
        )  # fmt: skip
        other = "" if user == "root" else user
        settings, inside = self._environment.keys(command, other)
        shell = self._environment.shell()
        whole = percent.with_input(inside + command, data, shell)
        if whole is None or (inside and not percent.is_posix(shell)):
            what = "variables" if inside else "input (%)"
            return f"its {what} cannot be set inside a command for {shell}"
        keys: dict[str, Value] = {"schedule": schedule, "command": whole}
        if description:
            keys["description"] = description
        if other:
            keys["user"] = other
        said = [*reviews, *of_command(text, command, data, other)]
        if "@reboot" in schedule:
            said.append(
                "it runs when the first service of a boot starts, so also at the first start of "
                "Torch; to prevent that run, set 'enabled: false' until the next boot"
            )
        if "cwd" not in settings and (about := self._place(user, keys)):
            said.append(about)
        if inside:
            said.append(exports.REVIEW)
        if entry.quiet:
            said.append("the - before the time: some crons (not Debian's) then do not log the run")
        if number == self._unended:
            said.append("cron ignores a last line without a line end")
        if line.endswith("\r"):
            said.append("the line ends in CR LF: like cron, Torch passes the CR to the command")
        if len(text) > _LONGEST:
            said.append(f"Debian's cron refuses a command of more than {_LONGEST} characters")
        keys |= settings
        # Here, and not only by `page`: what is above a line that is refused must stay as well.
        if refused := refusal({"name": "any", **keys}):
            return refused
        names = naming.candidates(command)
        return Draft(line=number, source=line, names=names, keys=keys, reviews=tuple(said))

    def _place(self, user: str, keys: dict[str, Value]) -> str:
        """Sets `cwd` to the user's home, or says that it is not known."""
        if not user:
            return ""  # said once, for the whole file
        home = self._host.home(user)
        if home is not None:
            keys["cwd"] = home
            return ""
        return f"cron ran it in the home of {user}, which does not exist on this host; set 'cwd'"

    def _tell_unused(self) -> None:
        for setting in self._environment.unused.values():
            self.original.add(Remark((f"{setting.source.strip()}   (no line below it uses it)",)))

    def _note(self) -> None:
        drafts = self.original.drafts()
        folder, _, file = self.original.file.rpartition("/")
        name = naming.clean(file)
        if folder.endswith("cron.d") and len(drafts) == 1 and name:  # certbot: a good name
            (draft,) = drafts
            at = self.original.pieces.index(draft)
            self.original.pieces[at] = replace(draft, names=(name, *draft.names))
        if self._cron is Cron.SUPERCRONIC and drafts:
            self.original.note(supercronic.NOTE)
        for note in notes(drafts, self._layout):
            self.original.note(note)


def _unreadable(line: str) -> str:
    if "\0" in line:
        return "it contains a NUL character"
    try:
        line.encode()
    except UnicodeEncodeError as error:
        byte = ord(line[error.start]) - 0xDC00
        return f"its byte 0x{byte:02x} is not UTF-8, but a task file must be UTF-8"
    return ""
