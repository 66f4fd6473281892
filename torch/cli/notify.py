"""torch notify: the channels of the task file, and whether a message arrives on one."""

from __future__ import annotations

import os

import click

from torch.channel import Channel, Way
from torch.cli import show
from torch.cli.options import (
    Seconds,
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
    """List the channels of alerts, test one, and list what was sent."""


@notify.command(name="list")
@json_option
@settings_options
def list_(settings: Settings, as_json: bool) -> None:
    """List the channels. Shows only the scheme and host of a URL."""
    channels = _channels(of_running_service(settings, needed=("task_file",)))
    rows = [(each.name, each.way.value, each.shown()) for each in channels.values()]
    if as_json:
        keys = ("name", "way", "target")
        show.document({"channels": [dict(zip(keys, row, strict=True)) for row in rows]})
        return
    empty = "the task file has no channels; define them under 'notify'"
    show.table(("CHANNEL", "WAY", "TARGET"), rows, empty=empty)


@notify.command()
@click.argument("channel", metavar="CHANNEL")
@click.option("--timeout", type=Seconds(600), default=30.0, show_default=True,
              metavar="SECONDS", help="Seconds to wait for the delivery.")  # fmt: skip
@json_option
@settings_options
def test(settings: Settings, channel: str, timeout: float, as_json: bool) -> None:
    """Send a test message to a channel and report the result."""
    from torch.notify.deliver import deliver

    settings = of_running_service(settings)
    channels = _channels(settings)
    if channel not in channels:
        near = or_nearest(channel, channels)
        hint = "see: torch notify list" if channels else "define channels under 'notify'"
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
            hint="alerts to this channel are discarded until this is fixed"
            if result.permanent
            else "alerts are retried, tests are not",
        )
    if not as_json:
        click.echo(f"channel '{channel}': delivered, {result.detail}")


@notify.command()
@click.argument("task", required=False)
@click.option("--channel", metavar="CHANNEL", help="Only messages to this channel.")
@click.option("--owed", is_flag=True, help="Only pending messages.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=20, show_default=True,
              metavar="N", help="Maximum number of messages to show.")  # fmt: skip
@json_option
@place_options
def history(
    settings: Settings, task: str | None, channel: str | None, owed: bool, limit: int,
    as_json: bool,
) -> None:  # fmt: skip
    """List messages, newest first, one line per channel."""
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
    show.table(names, cells, empty="no messages", spare=("TRIES",))


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
        body=f"Sent manually at {rfc3339(now)} with: torch notify test {channel.name}\n"
        "Nothing is wrong.",
        reason="sent manually",
    )


def _name() -> str:
    """This host, where no setting says which one it is: an address of its own, or its name."""
    from torch.taskfile.placement import host_addresses

    found = sorted(host_addresses(), key=lambda each: (each.version, each.is_link_local, each))
    return str(found[0]) if found else os.uname().nodename
