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
        said.append("the text after % was its standard input; here exec << provides it")
    elif command != text and "%" in text.replace("\\%", ""):
        said.append("there was no text after %: its standard input is empty")
    if "\\\\" in text and command != text:
        said.append("Debian's cron replaces two backslashes by one; this command has one")
    if "/usr/sbin/anacron" in command or "/etc/init.d/anacron" in command:
        said.append("if anacron is installed, it does the same work; keep only one of them")
    if re.search(r"\brun-parts\b", command):
        said.append("it runs every script of a directory; each script could be a task of its own")
    said += guards.review(command)
    if "/run/systemd/system" in command:
        said.append("under systemd it does nothing, because a timer of its package does the work")
    return said + privileges.review(command, user)


def notes(drafts: Sequence[Draft], layout: Layout) -> list[str]:
    """What is said once of a whole crontab."""
    if not drafts:
        return []
    said = [
        "in cron, runs of a line can overlap; here a run is skipped while another one is active "
        "(max: 1). 'max: 2' allows two, 'overlap: queue' queues one.",
        "cron mails the output of commands; Torch keeps it in files: torch logs TASK.",
        "a run that is more than a minute late is recorded as missed; with 'catch_up: last' it is "
        "run later. (cron runs missed lines only after a clock step forward of less than three "
        "hours.)",
        "cron adds the variables of /etc/environment and /etc/default/locale; Torch does not. "
        "To add them, use 'env' or 'env_file' in 'defaults'.",
    ]
    if any("PATH" not in _env(draft) for draft in drafts):
        said.append(
            "without PATH in a crontab cron searches /usr/bin:/bin; Torch searches "
            "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin."
        )
    roots = layout.column or layout.owner == "root"
    if roots and any("user" not in draft.keys for draft in drafts):
        said.append("root's lines have no 'user': they run as the service, which must run as root.")
    if not layout.column and not layout.owner:
        said.append(
            "cron runs these lines as the crontab's owner, in the owner's home; Torch runs them "
            "as the service's user, in /. To set both, import with --user NAME."
        )
    return said


def _env(draft: Draft) -> dict[str, object]:
    env = draft.keys.get("env", {})
    return dict(env) if isinstance(env, dict) else {}
