"""Channels, and how their URLs are shown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torch.channel import Channel, Way, masked, redacted, why_no_webhook

S = "S3CR3T"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (f"https://chat.example/{S}", "https://chat.example/…"),
        (f"https://{S}:{S}@chat.example:8443/{S}?{S}#{S}", "https://chat.example:8443/…"),
        (f"https://chat.example?{S}", "https://chat.example/…"),
        ("http://[2001:db8::1]:80/", "http://[2001:db8::1]:80"),
        (f"mailto://{S}:{S}@mail.example", "mailto://mail.example"),
        (f"mailtos://{S}@{S}@mail.example?to={S}", "mailtos://mail.example/…"),
        (f"tgram://{S}/{S}", "tgram://…"),
        (f"slack://{S}/{S}/{S}", "slack://…"),
        (f"discord://{S}", "discord://…"),
        (f"https://{S} {S}/x", f"https://{S}"),
        (f"http://{S}_{S}/x", "http://…"),
        (S, "…"),
        ("", "…"),
    ],
)
def test_of_a_url_no_more_is_shown_than_scheme_and_host(url, shown):
    assert redacted(url) == shown


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        (
            f'  a: "https://u:{S}@x.example/{S}" # y',
            '  a: "https://*********x.example******** # y',
        ),
        (f"tgram://{S}/{S} http://x.example", "tgram://************* http://x.example"),
        ("no url: here//", "no url: here//"),
    ],
)
def test_a_masked_line_keeps_its_places(line, shown):
    assert masked(line) == shown


@given(st.text(alphabet="ab:/@?#. \"'-", max_size=60))
def test_masking_changes_no_place(text):
    assert len(masked(text)) == len(text)
    for place, (was, now) in enumerate(zip(text, masked(text), strict=True)):
        assert now in (was, "*"), place


@pytest.mark.parametrize(
    "url",
    [
        "https://chat.example/hook",
        "http://127.0.0.1:8080",
        "HTTPS://X.example/a?b=c",
        "http://[::1]/",
    ],
)
def test_a_url_of_http_is_one_for_a_webhook(url):
    assert why_no_webhook(url) is None


@pytest.mark.parametrize(
    "url",
    ["mailto://x", "ftp://x", "x", "", "http://", "https:///x", "https://x:99999/", "https://x:0/",
     "https://x:y/", "https://a b/", "https://x/\r\nHost: y", "https://ä.example/", "http://[::1/"],
)  # fmt: skip
def test_what_a_webhook_cannot_be_sent_to_is_said_without_repeating_it(url):
    reason = why_no_webhook(url)
    assert reason is not None
    assert len(url) < 2 or url not in reason[0]


def test_a_channel_is_shown_without_its_secret():
    def shown(way, target="", file=""):
        return Channel(name="ops", way=Way(way), target=target, file=file).shown()

    assert shown("webhook", f"https://x.example/{S}") == "https://x.example/…"
    assert shown("webhook", file="/etc/torch/ops.url") == "URL in /etc/torch/ops.url"
    assert shown("exec", ("curl", f"https://x.example/{S}")) == "curl https://x.example*******"
    assert shown("exec", "logger -t torch") == "logger -t torch"
