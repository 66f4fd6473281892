"""torch notify: the channels of the task file, and whether a message arrives on one."""

from __future__ import annotations

import os

import click

from torch.channel import Channel, Way
from torch.cli import show
from torch.cli.options import (
    in_its_zone,
    json_option,
    of_running_service,
    place_options,
    settings_options,
)
from torch.clock import SystemClock, local, rfc3339
from torch.errors import ServiceUnreachable, UsageError
from torch.message import Message, MessageKind
from torch.nearest import or_nearest
from torch.settings import Settings
from torch.taskfile.problems import quoted


@click.group()
def notify() -> None:
    """List the channels of the task file, try one, and see who was told what."""


@notify.command(name="list")
@json_option
@settings_options
def list_(settings: Settings, as_json: bool) -> None:
    """List the channels. Of a URL no more is shown than its scheme and host."""
    channels = _channels(of_running_service(settings, needed=("task_file",)))
    rows = [(each.name, each.way.value, each.shown()) for each in channels.values()]
    if as_json:
        keys = ("name", "way", "target")
        show.document({"channels": [dict(zip(keys, row, strict=True)) for row in rows]})
        return
    empty = "the task file has no channels; they stand under 'notify'"
    show.table(("CHANNEL", "WAY", "TARGET"), rows, empty=empty)


@notify.command()
@click.argument("channel", metavar="CHANNEL")
@click.option("--timeout", type=click.FloatRange(0.1, 600), default=30.0, show_default=True,
              metavar="SECONDS", help="Give up after this.")  # fmt: skip
@json_option
@settings_options
def test(settings: Settings, channel: str, timeout: float, as_json: bool) -> None:
    """Send a test message on a channel, and say what came of it. Exits 69 if it did not arrive."""
    from torch.notify.deliver import deliver

    settings = of_running_service(settings)
    channels = _channels(settings)
    if channel not in channels:
        near = or_nearest(channel, channels)
        hint = "see: torch notify list" if channels else "channels stand under 'notify'"
        raise UsageError(f"no channel {quoted(channel)} in {settings.task_file}{near}", hint=hint)
    chosen = channels[channel]
    result = deliver(chosen, _message(settings, chosen), timeout)
    if as_json:
        show.document(
            {"channel": channel, "delivered": result.ok, "detail": result.detail}
            | {"permanent": result.permanent, "retry_after": result.retry_after}
        )
    if not result.ok:
        where = "exec" if chosen.way is Way.EXEC else chosen.shown()
        raise ServiceUnreachable(
            f"channel '{channel}' ({where}): {result.detail}",
            hint="an alert would be lost, too, until this is mended"
            if result.permanent
            else "an alert would be tried again; this test is not",
        )
    if not as_json:
        click.echo(f"channel '{channel}': delivered, {result.detail}")


@notify.command()
@click.argument("task", required=False)
@click.option("--channel", metavar="CHANNEL", help="Only of this channel.")
@click.option("--owed", is_flag=True, help="Only what is not sent yet.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=20, show_default=True)
@json_option
@place_options
def history(
    settings: Settings, task: str | None, channel: str | None, owed: bool, limit: int,
    as_json: bool,
) -> None:  # fmt: skip
    """List who was told what, newest first; each channel has a row of its own."""
    from torch.history.told import told

    in_its_zone(settings)
    rows = told(
        settings.history, task=task, channel=channel, state="owed" if owed else None, limit=limit
    )
    if task is not None and not rows:
        from torch.cli.targets import must_know

        must_know(settings, task)
    if as_json:
        show.document({"notices": [row.as_json() for row in rows]})
        return
    today = local(SystemClock().now().wall)
    cells = [
        (
            show.when(rfc3339(row.at), today=today), row.channel, row.task, row.kind,
            row.state.replace("_", " "), row.tries or "-", row.detail,
        )
        for row in rows
    ]  # fmt: skip
    names = ("WHEN", "CHANNEL", "TASK", "KIND", "STATE", "TRIES", "DETAIL")
    show.table(names, cells, empty="nobody was told anything", spare=("TRIES",))


def _channels(settings: Settings) -> dict[str, Channel]:
    from torch.taskfile.whole import whole_file

    return dict(whole_file(settings).channels)


def _message(settings: Settings, channel: Channel) -> Message:
    """A message that says it is only a test, and from where."""
    now = SystemClock().now().wall
    host = settings.address or _name()
    return Message(
        id=f"test-{int(now * 1000)}-{os.getpid()}",
        kind=MessageKind.TEST,
        task="torch-notify-test",
        host=host,
        at=now,
        title=f"Torch on {host}: test of channel '{channel.name}'",
        body=f"Sent by hand at {rfc3339(now)} with: torch notify test {channel.name}\n"
        "Nothing is wrong.",
        reason="sent by hand",
    )


def _name() -> str:
    """This host, where no setting says which one it is: an address of its own, or its name."""
    from torch.taskfile.placement import host_addresses

    found = sorted(host_addresses(), key=lambda each: (each.version, each.is_link_local, each))
    return str(found[0]) if found else os.uname().nodename
