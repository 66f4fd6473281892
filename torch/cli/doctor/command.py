"""torch doctor: is this host fit for the service, does the service fare well, and what to do."""

from __future__ import annotations

import contextlib
import shutil
import sys
import textwrap

import click

from torch.cli import show
from torch.cli.doctor.checks import examine
from torch.cli.doctor.subject import Finding, Subject, Verdict
from torch.cli.options import json_option, of_running_service, settings_options, timeout_option
from torch.clock import SystemClock
from torch.errors import ExitCode, TorchError
from torch.report.text import harmless
from torch.settings import Settings

_COLOURS = {Verdict.OK: "green", Verdict.WARN: "magenta", Verdict.BAD: "red"}
_NAMED = 12
_BEFORE = 6 + _NAMED  # characters before the sentence


@click.command()
@json_option
@timeout_option
@settings_options
def doctor(settings: Settings, as_json: bool, timeout: float) -> int:
    """Check this host and the service, and print how to fix each problem."""
    clock = SystemClock()
    with contextlib.suppress(TorchError):  # one that does not answer is a finding
        settings = of_running_service(settings)
    subject = Subject(settings, clock.now().wall, lambda: clock.now().mono, timeout)
    found = examine(subject)
    verdicts = {finding.verdict for _, finding in found}
    worst = next(v for v in (Verdict.BAD, Verdict.WARN, Verdict.OK) if v in verdicts)
    if as_json:
        checks = [
            {
                "name": name,
                "verdict": str(f.verdict),
                "found": f.sentence,
                "advice": f.advice or None,
            }
            for name, f in found
        ]
        show.document({"worst": str(worst), "checks": checks})
    else:
        for name, finding in found:
            _say(name, finding)
        click.echo(_sum(found))
    return ExitCode.FOUND if worst is Verdict.BAD else ExitCode.OK


def _say(name: str, finding: Finding) -> None:
    """Wrapped on a terminal; one line each into a pipe, the advice on a line of its own."""
    word = f"{finding.verdict:<4}"
    if show.colours():
        word = click.style(word, fg=_COLOURS[finding.verdict], bold=finding.verdict != Verdict.OK)
    lines = _wrapped(harmless(finding.sentence))
    if finding.advice:
        lines += [f"→ {line}" if at == 0 else f"  {line}"
                  for at, line in enumerate(_wrapped(harmless(finding.advice), 2))]  # fmt: skip
    click.echo(f"{word}  {name:<{_NAMED}}{lines[0]}")
    for line in lines[1:]:
        click.echo(" " * _BEFORE + line)


def _wrapped(text: str, less: int = 0) -> list[str]:
    if not sys.stdout.isatty():
        return [text]
    width = max(shutil.get_terminal_size().columns - _BEFORE - less, 30)
    return textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False) or [""]


def _sum(found: list[tuple[str, Finding]]) -> str:
    numbers = {v: sum(f.verdict == v for _, f in found) for v in Verdict}
    if numbers[Verdict.BAD]:
        return f"{numbers[Verdict.BAD]} bad, {numbers[Verdict.WARN]} doubtful"
    return f"{numbers[Verdict.WARN]} doubtful" if numbers[Verdict.WARN] else "all is well"
