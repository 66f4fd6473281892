"""The zone of the host, as a service and the commands beside it have it."""

from __future__ import annotations

import json

import pytest

from tests.test_zone import DATABASE, nameless
from tests.waiting import until

YEARLY = """
tasks:
  - name: yearly
    schedule: "0 0 1 1 *"
    command: "true"
"""

pytestmark = pytest.mark.skipif(not DATABASE.is_dir(), reason="the host has no zone database")


@pytest.fixture
def zone_file(service, monkeypatch):
    """What TZ names; it stands for /etc/localtime."""
    path = service.folder / "localtime"
    monkeypatch.setenv("TZ", f":{path}")
    return path


def link(path, name):
    path.unlink(missing_ok=True)
    path.symlink_to(DATABASE / name)


def heard(service):
    """The offsets of what the service and the commands say: of the next run, in the log (a line
    that is made for it), and the names of the zone."""
    service.torch("pause", "yearly")
    service.torch("resume", "yearly")
    line = service.log().splitlines()[-1].split()[0]
    planned = service.json("plan")["tasks"][0]["next"]
    explained = service.json("explain", "yearly")
    upcoming = json.loads(service.torch("next", "0 0 1 1 *", "--json", *place(service)))
    times = [service.task("yearly")["next"], planned, explained["next"], upcoming["times"][0]]
    assert len({time[:10] for time in times}) == 1
    offsets = {time[-6:] for time in [*times, line]}
    return offsets, {service.status()["timezone"], explained["timezone"]}


def place(service):
    return ["--state-dir", str(service.state)]


def test_a_changed_zone_takes_effect_at_a_reload_for_schedules_status_log_and_commands(
    service, zone_file
):
    link(zone_file, "Asia/Tokyo")
    service.start(YEARLY)
    assert heard(service) == ({"+09:00"}, {"Asia/Tokyo"})
    link(zone_file, "America/Lima")
    assert heard(service) == ({"+09:00"}, {"Asia/Tokyo"})
    assert "the service uses Asia/Tokyo" in service.finished("doctor").stdout
    assert json.loads(service.torch("reload", "--json"))["changed"] == ["yearly"]
    assert heard(service) == ({"-05:00"}, {"America/Lima"})
    assert "the host's time zone is now America/Lima (before: Asia/Tokyo)" in service.log()
    assert service.log().count("host_zone_changed") == 1


def test_a_zone_changes_at_a_reload_though_every_task_has_its_own(service, zone_file):
    link(zone_file, "Asia/Tokyo")
    service.start(YEARLY.replace("    command", "    timezone: UTC\n    command"))
    link(zone_file, "America/Lima")
    service.torch("reload")
    assert service.status()["timezone"] == "America/Lima"
    assert service.task("yearly")["next"].endswith("-05:00")


def test_the_zone_is_the_services_also_to_a_command_with_another_tz(
    service, zone_file, monkeypatch
):
    link(zone_file, "Asia/Tokyo")
    service.start(YEARLY)
    for other in ("America/Lima", "Nowhere/City"):
        monkeypatch.setenv("TZ", other)
        assert heard(service) == ({"+09:00"}, {"Asia/Tokyo"})


def test_another_content_of_a_zone_file_without_a_name_counts_from_a_reload_on(service, zone_file):
    zone_file.write_bytes(nameless())
    service.start(YEARLY)
    first = service.task("yearly")["next"]
    assert first.endswith("01-01T00:00:00+09:00")
    zone_file.write_bytes(nameless().replace(b"<TKO>-9", b"<TKO>-8"))
    assert service.task("yearly")["next"] == first
    service.torch("reload")
    assert service.task("yearly")["next"] == first.replace("+09:00", "+08:00")
    assert service.status()["timezone"].startswith(f"local ({zone_file} ")


def test_a_rule_in_tz_is_the_zone_of_schedules_and_of_all_that_is_shown(service, monkeypatch):
    rule = "CET-1CEST,M3.5.0,M10.5.0/3"
    monkeypatch.setenv("TZ", rule)
    service.start(YEARLY)
    assert heard(service)[1] == {rule}
    assert service.task("yearly")["next"].endswith("01-01T00:00:00+01:00")


def test_with_a_tz_that_means_nothing_the_service_does_not_start(service, monkeypatch):
    monkeypatch.setenv("TZ", "Nowhere/City")
    service.write(YEARLY)
    said = service.error("start", code=78)
    assert "TZ is 'Nowhere/City', which is not a time zone of this host" in said
    assert "unset TZ" in said
    service.torch("status", code=3)


def test_a_reload_that_finds_no_zone_changes_nothing_and_names_tz(service, zone_file):
    link(zone_file, "Asia/Tokyo")
    service.start(YEARLY)
    zone_file.unlink()
    assert f"TZ is ':{zone_file}', which is not a time zone file" in service.error(
        "reload", code=65
    )
    assert heard(service) == ({"+09:00"}, {"Asia/Tokyo"})


FAILING = """
notify:
  file: {exec: "echo $TORCH_MESSAGE_AT $(echo \\"$TORCH_MESSAGE_BODY\\" | head -n 1) >>DIR/at"}
tasks:
  - name: flaky
    schedule: "* * * * * *"
    command: echo $TORCH_FIRE_TIME >>DIR/fires; test -e DIR/good
    on_failure: [file]
    on_recovery: [file]
"""


def test_messages_and_fire_times_of_tasks_are_in_the_services_zone_until_a_reload(
    service, zone_file
):
    link(zone_file, "Asia/Tokyo")
    service.start(FAILING)
    service.wait_lines("at", 1)
    link(zone_file, "America/Lima")
    (service.scratch / "good").touch()
    lines = service.wait_lines("at", 2)
    assert all(line.count("+09:00") == 2 for line in lines), lines
    assert all(line.endswith("+09:00") for line in service.lines("fires"))
    service.torch("reload")
    until("a fire time is of the new zone", lambda: "-05:00" in service.lines("fires")[-1])
