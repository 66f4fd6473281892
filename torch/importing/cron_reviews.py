"""What a person should look at after a move from cron: for one command, and for all of them.

Owns the differences between a command under Debian's cron and under Torch. Sources: cron(8),
crontab(5), /etc/pam.d/cron of the package; docs/semantics.md.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from torch.importing import guards, privileges
from torch.importing.draft import Draft
from torch.importing.user_column import Layout


def of_command(text: str, command: str, data: str, user: str) -> list[str]:
    """Reviews of one command; `text` is as it stood, `user` the key of the task."""
    said = []
    if data:
        said.append("what stood after % is its standard input, here handed over by exec <<")
    elif command != text and "%" in text.replace("\\%", ""):
        said.append("nothing stood after %: its standard input is empty")
    if "\\\\" in text and command != text:
        said.append("Debian's cron makes one backslash of two, and so it stands here")
    if "/usr/sbin/anacron" in command or "/etc/init.d/anacron" in command:
        said.append("anacron does the same work where it is installed; keep one of the two")
    if re.search(r"\brun-parts\b", command):
        said.append("it runs every script of a folder; each of them could be a task of its own")
    said += guards.review(command)
    if "/run/systemd/system" in command:
        said.append("it does nothing under systemd, where a timer of its package does the work")
    return said + privileges.review(command, user)


def notes(drafts: Sequence[Draft], layout: Layout) -> list[str]:
    """What is said once of a whole crontab."""
    if not drafts:
        return []
    said = [
        "cron lets runs of a line overlap; here a fire is skipped while a run lives (max: 1). "
        "'max: 2' lets two live, 'overlap: queue' lets one fire wait.",
        "cron mails what a command prints; here it is kept in files: torch logs TASK.",
        "a fire later than a minute is recorded as missed; 'catch_up: last' makes up for it. "
        "(cron makes up for a clock set forward by less than three hours, and for nothing else.)",
        "cron adds the variables of /etc/environment and /etc/default/locale; Torch does not. "
        "'env' or 'env_file' in 'defaults' would.",
    ]
    if any("PATH" not in _env(draft) for draft in drafts):
        said.append(
            "without PATH in a crontab cron searches /usr/bin:/bin; Torch searches "
            "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin."
        )
    roots = layout.column or layout.owner == "root"
    if roots and any("user" not in draft.keys for draft in drafts):
        said.append("lines of root have no 'user': they run as the service, which is to be root's.")
    if not layout.column and not layout.owner:
        said.append(
            "cron runs these as the crontab's owner, in the owner's home; Torch as the service's "
            "user, in /. To set both, import with --user NAME."
        )
    return said


def _env(draft: Draft) -> dict[str, object]:
    env = draft.keys.get("env", {})
    return dict(env) if isinstance(env, dict) else {}
