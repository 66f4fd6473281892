"""The zone of a host, however it is said: by name, link, copy, path, rule, or not at all."""

from __future__ import annotations

import os
import time
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torch import zone
from torch.clock import local, rfc3339
from torch.errors import ExitCode, SettingsError
from torch.zone import HostZone, find

DATABASE = Path("/usr/share/zoneinfo")
AT = 1_790_000_000.0  # 2026-09-21 14:13:20 UTC
BERLIN = "CET-1CEST,M3.5.0,M10.5.0/3"

pytestmark = pytest.mark.skipif(not DATABASE.is_dir(), reason="the host has no zone database")


@pytest.fixture
def host(tmp_path, monkeypatch):
    """A folder that stands for /etc."""
    monkeypatch.setattr(zone, "LOCALTIME", str(tmp_path / "localtime"))
    monkeypatch.setattr(zone, "TIMEZONE", str(tmp_path / "timezone"))
    return tmp_path


def bytes_of(name: str) -> bytes:
    return (DATABASE / name).read_bytes()


def nameless() -> bytes:
    """Tokyo's file with another footer: no file of the database has these bytes."""
    body, _, _ = bytes_of("Asia/Tokyo").rstrip(b"\n").rpartition(b"\n")
    return body + b"\n<TKO>-9\n"


def offset(found: HostZone, at: float = AT) -> float:
    shift = datetime.fromtimestamp(at, zone.of(found.key)).utcoffset()
    assert shift is not None
    return shift.total_seconds() / 3600


# ── /etc/localtime and /etc/timezone ──────────────────────────────────────────────────────


def test_a_link_to_a_zone_is_that_zone(host):
    (host / "localtime").symlink_to(DATABASE / "Asia/Tokyo")
    assert find({}) == HostZone(key="Asia/Tokyo")


def test_a_link_into_a_copy_of_the_database_is_the_zone_itself(host):
    (host / "localtime").symlink_to(DATABASE / "posix/Asia/Tokyo")
    assert find({}) == HostZone(key="Asia/Tokyo")


def test_a_copy_of_a_zone_is_that_zone_and_not_utc(host):
    (host / "localtime").write_bytes(bytes_of("Asia/Shanghai"))
    assert find({}) == HostZone(key="Asia/Shanghai")


def test_a_copy_has_the_name_of_etc_timezone_if_that_is_the_same_zone(host):
    (host / "localtime").write_bytes(bytes_of("Asia/Tokyo"))
    (host / "timezone").write_text("Japan\n")
    assert find({}).key == "Japan"
    (host / "timezone").write_text("Etc/UTC\n")  # as in an image into which a file is mounted
    assert find({}).key == "Asia/Tokyo"


def test_a_copy_of_utc_is_called_utc(host):
    (host / "localtime").write_bytes(bytes_of("Etc/UTC"))
    assert find({}).key == "UTC"


def test_a_zone_file_without_a_name_is_used_as_it_is(host):
    (host / "localtime").write_bytes(nameless())
    found = find({})
    assert found.key.startswith(f"local ({host}/localtime ")
    assert offset(found) == 9
    (host / "localtime").unlink()
    assert offset(found) == 9  # who was given it does not read it again


def test_another_content_of_a_file_without_a_name_is_another_zone(host):
    (host / "localtime").write_bytes(nameless())
    first = find({})
    (host / "localtime").write_bytes(nameless().replace(b"<TKO>", b"<OKT>"))
    assert find({}).key != first.key


def test_what_is_no_zone_file_leaves_the_name_of_etc_timezone_or_utc(host):
    for content in (b"", b"TZif", b"TZif2" + bytes(100), b"rubbish"):
        (host / "localtime").write_bytes(content)
        assert find({}).key == "UTC", content
    (host / "timezone").write_text("Europe/Berlin\n")
    assert find({}).key == "Europe/Berlin"


# ── TZ ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("said", "key"),
    [
        ("Asia/Tokyo", "Asia/Tokyo"),
        (":Asia/Tokyo", "Asia/Tokyo"),
        ("/usr/share/zoneinfo/Asia/Tokyo", "Asia/Tokyo"),
        (":/usr/share/zoneinfo/Asia/Tokyo", "Asia/Tokyo"),
        (BERLIN, BERLIN),
        (f":{BERLIN}", BERLIN),
        ("EST5EDT", "EST5EDT"),
        ("<+03>-3", "<+03>-3"),
        ("", "UTC"),
        (":", "UTC"),
    ],
)
def test_tz_is_a_name_a_path_or_a_rule_with_or_without_a_colon(host, said, key):
    (host / "localtime").symlink_to(DATABASE / "America/Lima")
    assert find({"TZ": said}).key == key


@pytest.mark.parametrize("said", [":{}/localtime", "{}/localtime", "localtime", ":localtime"])
def test_tz_may_name_the_file_of_the_host(host, said):
    (host / "localtime").symlink_to(DATABASE / "America/Lima")
    assert find({"TZ": said.format(host)}).key == "America/Lima"


def test_a_path_to_a_copy_is_the_zone_of_its_bytes(tmp_path):
    (tmp_path / "copy").write_bytes(bytes_of("Asia/Shanghai"))
    assert find({"TZ": f":{tmp_path}/copy"}).key == "Asia/Shanghai"
    (tmp_path / "copy").write_bytes(nameless())
    assert offset(find({"TZ": f":{tmp_path}/copy"})) == 9


def test_a_fifo_or_a_directory_in_place_of_a_zone_file_holds_nobody_up(host, tmp_path):
    os.mkfifo(host / "localtime")
    assert find({}).key == "UTC"
    with pytest.raises(SettingsError, match="not a time zone file"):
        find({"TZ": f":{tmp_path}/localtime"})
    zone.adopt_key(f"local ({tmp_path}/localtime 00000000)")
    (host / "localtime").unlink()
    (host / "localtime").mkdir()  # as Docker does for a file that is to be mounted and is missing
    assert find({}).key == "UTC"


@pytest.mark.parametrize(
    "said",
    ["Nowhere/City", "Tokyo", "CET-1CEST", "/nowhere/zone", "/etc/passwd", "../etc/passwd", "XXX25",
     "XXX24:59:59", "AAA1BBB,59,299", "AAA1BBB,M3.2.0", "EST5\nX", " UTC", "ü"],
)  # fmt: skip
def test_a_tz_that_means_nothing_is_refused_by_its_name_with_the_way_out(said):
    with pytest.raises(SettingsError, match="TZ is '") as refused:
        find({"TZ": said})
    assert refused.value.exit_code is ExitCode.SETTINGS
    assert "unset TZ" in refused.value.hint


_NAMES = st.sampled_from(["AAA", "CET", "<+03>", "<-0330>"])
_TIMES = st.sampled_from(["", "/0", "/1", "/2:30", "/3", "/23:59:59"])
_HOURS = st.builds(
    "{}{}{}".format, st.sampled_from(["", "+", "-"]), st.integers(0, 12),
    st.sampled_from(["", ":30", ":45:10"]),
)  # fmt: skip


def _days(low: int, high: int) -> st.SearchStrategy[str]:
    months = st.builds(
        "M{}.{}.{}".format, st.integers(low, high), st.integers(1, 5), st.integers(0, 6)
    )
    julian = st.integers(low * 30, high * 30).map("J{}".format)
    return months | julian


_RULES = st.builds("{}{}".format, _NAMES, _HOURS) | st.builds(
    "{}{}BBB{},{}{},{}{}".format, _NAMES, _HOURS, st.sampled_from(["", "0", "-14", "-1:30"]),
    _days(2, 5), _TIMES, _days(8, 11), _TIMES,
)  # fmt: skip


@given(_RULES, st.lists(st.integers(0, 2**32), min_size=1, max_size=20))
def test_a_rule_means_what_it_means_to_the_c_library(rule, instants):
    if not zone.is_rule(rule):
        return
    before = os.environ.get("TZ")
    os.environ["TZ"] = rule
    time.tzset()
    try:
        theirs = [time.localtime(at).tm_gmtoff for at in instants]
    finally:
        os.environ.pop("TZ")
        if before is not None:
            os.environ["TZ"] = before
        time.tzset()
    ours = [datetime.fromtimestamp(at, zone.of(rule)).utcoffset() for at in instants]
    assert [shift.total_seconds() for shift in ours if shift is not None] == theirs


def test_a_rule_has_the_summer_time_of_the_zone_that_it_describes():
    berlin = ZoneInfo("Europe/Berlin")
    for day in range(366):
        at = AT + day * 86_400
        assert local_in(BERLIN, at) == datetime.fromtimestamp(at, berlin).replace(tzinfo=None)


def local_in(key: str, at: float) -> datetime:
    return datetime.fromtimestamp(at, zone.of(key)).replace(tzinfo=None)


# ── a process and its zone ────────────────────────────────────────────────────────────────


def test_a_process_keeps_its_zone_until_it_takes_another(monkeypatch):
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    assert rfc3339(AT) == "2026-09-21T23:13:20+09:00"
    monkeypatch.setenv("TZ", "America/Lima")
    assert f"{local(AT):%H:%M}" == "23:13"
    zone.adopt(find(os.environ))
    assert rfc3339(AT) == "2026-09-21T09:13:20-05:00"


def test_the_zone_that_another_process_tells_is_taken_if_it_is_to_be_had(monkeypatch, tmp_path):
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    zone.adopt_key("America/Lima")
    assert zone.current().key == "America/Lima"
    for key in (f"local ({tmp_path}/gone 12345678)", "Nowhere/City", None, 7):
        zone.adopt_key(key)
        assert zone.current().key == "America/Lima", key


@pytest.mark.parametrize("said", ["Asia/Tokyo", BERLIN, ":{}/nameless"])
def test_a_process_that_is_started_can_be_given_the_same_zone(monkeypatch, tmp_path, said):
    (tmp_path / "nameless").write_bytes(nameless())
    monkeypatch.setenv("TZ", said.format(tmp_path))
    assert find(zone.environ({})) == zone.current()


def test_zones_agree_if_their_clocks_show_the_same_for_a_year():
    at = int(AT)
    assert zone.agree("UTC", "Etc/UTC", at) and zone.agree(BERLIN, "Europe/Berlin", at)
    assert not zone.agree("Europe/London", "UTC", at)
    assert not zone.agree("Africa/Lagos", "Europe/Berlin", at)  # in winter they do
