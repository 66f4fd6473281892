"""People are told, by real receivers: what fails, what works again, what keeps dying, what was
missed, and lines of output; while a receiver is away, and across the death of the service."""

from __future__ import annotations

import os
import signal
import time

from tests.receivers import Answer, HttpReceiver, SmtpReceiver
from tests.waiting import until


def kinds(receiver: HttpReceiver, task: str) -> list[str]:
    return [m["kind"] for m in receiver.messages() if m["task"] == task]


def wait_for(receiver: HttpReceiver, task: str, *wanted: str) -> None:
    until(f"{task}: {wanted}", lambda: kinds(receiver, task) == list(wanted))


def wait_told(service, channel: str, count: int) -> None:
    """The service has heard that the channel took so many."""
    until(
        f"{channel} took {count}", lambda: service.log().count(f'msg="notified {channel}:') >= count
    )


ALL = """
notify:
  hook: {webhook: "HOOK"}
  mail: {apprise: "MAIL"}
  file: {exec: 'cat >>DIR/events'}
tasks:
  - name: flaky
    schedule: "* * * * * *"
    command: echo "the reason why"; echo + >>DIR/flaky; test -e DIR/good
    on_failure: [hook, mail, file]
  - name: loop
    type: daemon
    command: echo + >>DIR/loop; test -e DIR/good && exec sleep 600; exit 3
    restart: {delay: 100ms, max_delay: 500ms, healthy_after: 1s}
    on_crash_loop: [hook]
    on_recovery: [hook, mail]
  - name: talk
    type: daemon
    command: >-
      echo "ERROR one"; while ! test -e DIR/good; do sleep 0.1; done;
      echo "ERROR two"; exec sleep 600
    alert_on: [{pattern: "ERROR (one|two)", notify: [hook]}]
    on_failure: [hook]
  - name: quiet
    schedule: "* * * * * *"
    command: "true"
    on_failure: [hook, mail, file]
    on_missed: [hook]
"""


def text(http: HttpReceiver, smtp: SmtpReceiver | None = None) -> str:
    return ALL.replace("HOOK", http.url).replace("MAIL", smtp.url if smtp else "json://127.0.0.1:9")


def test_exactly_the_messages_that_are_promised_arrive_by_webhook_mail_and_command(
    service, http, smtp
):
    service.start(text(http, smtp))
    wait_for(http, "flaky", "failing")
    wait_for(http, "loop", "crash_looping")
    wait_for(http, "talk", "matched")
    service.wait_lines("flaky", 4)  # it goes on failing, and nobody hears it again
    (service.scratch / "good").touch()
    wait_for(http, "flaky", "failing", "recovered")
    wait_for(http, "loop", "crash_looping", "recovered")
    assert kinds(http, "talk") == ["matched"]
    until("both mails of both", lambda: len(smtp.subjects()) == 3)
    assert sorted(subject.split(" on ")[0] for subject in smtp.subjects()) == [
        "flaky is failing", "flaky works again", "loop works again",
    ]  # fmt: skip
    until("two events by command", lambda: len(service.lines("events")) == 2)
    failing = next(m for m in http.messages() if m["kind"] == "failing")
    assert failing["lines"] == ["the reason why"]
    assert (failing["exit_code"], failing["host"]) == (1, "10.77.0.1")
    matched = next(m for m in http.messages() if m["kind"] == "matched")
    assert matched["lines"] == ["ERROR one"]
    assert kinds(http, "quiet") == []
    rows = service.json("notify", "history")["notices"]
    assert {row["state"] for row in rows} == {"sent"}
    assert len([row for row in rows if row["task"] == "flaky"]) == 6
    alerts = service.status()["alerts"]
    assert {c["name"]: c["waiting"] for c in alerts["channels"]} == {
        "hook": 0, "mail": 0, "file": 0,
    }  # fmt: skip


BAR = """
notify:
  hook: {webhook: "HOOK"}
tasks:
  - name: bar
    schedule: "* * * * * *"
    command: "printf '10%%\\\\r20%%\\\\ruser J\\\\374rgen failed\\\\r\\\\n'; exit 3"
    alert_on: [{pattern: "^user .* failed$", notify: [hook]}]
    on_failure: [hook]
"""


def test_what_a_progress_bar_says_last_is_told_and_matched_also_with_rubbish_in_it(service, http):
    service.start(BAR.replace("HOOK", http.url))
    until("both came", lambda: sorted(kinds(http, "bar")) == ["failing", "matched"])
    assert [m["lines"] for m in http.messages()] == [["user J\ufffdrgen failed"]] * 2
    assert 'tail="user J\\ufffdrgen failed"' in service.log()


def test_while_a_receiver_is_away_its_messages_wait_and_are_shown(service, http):
    service.start(text(http))
    wait_for(http, "flaky", "failing")
    wait_told(service, "hook", 3)
    http.down()
    (service.scratch / "good").touch()
    until("what waits is shown", lambda: "channel hook" in service.torch("status"))
    (channel,) = [c for c in service.status()["alerts"]["channels"] if c["name"] == "hook"]
    assert channel["waiting"] >= 1 and "refuse" in channel["problem"]
    http.up()
    wait_for(http, "flaky", "failing", "recovered")
    wait_for(http, "loop", "crash_looping", "recovered")
    until("nothing waits", lambda: service.status()["alerts"]["channels"][0]["waiting"] == 0)
    assert "channel hook" not in service.torch("status")


def test_since_when_a_channel_fails_outlives_kill_9_and_restart(service, http):
    def hook() -> tuple[str, str]:
        found = service.status()["alerts"]["channels"]
        (channel,) = [each for each in found if each["name"] == "hook"]
        return channel["problem"], channel["failing_since"]

    http.answer(Answer(status=503))
    service.start(text(http))
    problem, since = until("it fails", lambda: hook() if hook()[0] else None)
    os.kill(service.pid, signal.SIGKILL)
    service.start()
    assert hook() == (problem, since)
    service.torch("restart")
    assert hook() == (problem, since)
    assert "channel hook has been failing since" in service.torch("status")


def test_kill_9_loses_no_message_and_tells_none_of_them_anew(service, http):
    http.answer(Answer(status=503))
    service.start(text(http))
    until("two tries", lambda: len(http.requests) >= 2)
    os.kill(service.pid, signal.SIGKILL)
    http.answer(Answer())
    refused = len(http.requests)
    (service.scratch / "good").touch()
    service.start()
    wait_for_after = ("flaky", "recovered"), ("loop", "recovered")
    until(
        "both are told to have recovered",
        lambda: all(kind in kinds(http, task) for task, kind in wait_for_after),
    )
    taken = [request.json()["data"] for request in http.requests[refused:]]
    ids = [message["id"] for message in taken]
    assert len(ids) == len(set(ids))
    told = [(m["task"], m["kind"]) for m in taken]
    for task, first in (("flaky", "failing"), ("loop", "crash_looping")):
        assert [kind for name, kind in told if name == task] == [first, "recovered"]


def test_fires_that_were_missed_while_no_service_lived_are_told(service, http):
    service.start(text(http))
    service.wait_lines("flaky", 1)
    os.kill(service.pid, signal.SIGKILL)
    last = time.time()
    until("three fires nobody starts", lambda: time.time() - last > 3.5, pause=0.1)
    service.start()
    wait_for(http, "quiet", "missed")
    (missed,) = [m for m in http.messages() if m["kind"] == "missed"]
    assert missed["count"] >= 2


def test_receivers_that_hang_do_not_hold_up_the_first_message_of_another_channel(service, http):
    http.answer(Answer(hang=True))
    silent = [f"silent{n}" for n in range(6)]
    channels = "".join(f"  {name}: {{webhook: '{http.url}'}}\n" for name in silent)
    service.start(f"""
notify:
{channels}
  file: {{exec: 'cat >>DIR/events'}}
tasks:
  - name: flaky
    schedule: "* * * * * *"
    command: exit 1
    on_failure: [{", ".join(silent)}, file]
""")
    service.wait_lines("events", 1)
    until("all others were asked", lambda: len(http.requests) == len(silent))
    problems = [channel["problem"] for channel in service.status()["alerts"]["channels"]]
    assert not any(problems)  # each of them still hangs, so nobody had to wait for its end
