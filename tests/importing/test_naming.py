"""Names made from commands."""

from __future__ import annotations

import pytest

from torch.importing.naming import candidates, clean, unique


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("/usr/local/bin/backup.sh --full", "backup"),
        ("cd / && run-parts --report /etc/cron.daily", "cron.daily"),
        ("test -x /usr/bin/x || exit 0; /usr/bin/x", "x"),
        ("[ -x /bin/a ] && /bin/a", "a"),
        ("if [ -x /bin/a ]; then /bin/a; fi", "a"),
        ("command -v sa1 > /dev/null && sa1 1 1", "sa1"),
        ("A=1 B='2 3' nice -n 10 ionice -c3 /opt/x", "x"),
        ("sudo -u shop flock -n /run/l /srv/x.py", "x"),
        ("flock -n /run/l -c 'backup --all'", "backup"),
        ("timeout 30s php /srv/shop/artisan schedule:run", "artisan"),
        ("python3 -m shop.report", "shop.report"),
        ("java -Xmx1g -jar /srv/app.jar", "app"),
        ("perl -e 'sleep 5' && certbot renew", "certbot"),
        ("bash -c 'x'", "bash"),
        ("d=$(ls /a | tail -1); gzip $d", "gzip"),
        ("x 2>&1 >/dev/null", "x"),
        ("echo done", "echo"),
        ("$HOME/bin/sync", "sync"),
        ("it's open", "it-s"),
        (("/bin/x", "a b"), "x"),
    ],
)
def test_a_name_is_that_of_what_is_run(command, name):
    assert candidates(command)[0] == name


@pytest.mark.parametrize("command", ["", "''", "...", "| &&", "test -x y", "é"])
def test_what_names_nothing_is_a_task(command):
    assert unique([candidates(command)]) == ["task"]


def test_equal_names_are_told_apart_by_an_argument_and_else_by_a_count():
    wanted = [candidates(c) for c in ("shop sell", "shop buy", "x 1", "X 1", "Shop sell")]
    assert unique(wanted) == ["shop", "shop-buy", "x", "X-2", "Shop-2"]


def test_an_option_tells_apart_too():
    wanted = [candidates(c) for c in ("b.sh --full", "b.sh --part")]
    assert unique(wanted) == ["b-full", "b-part"]


def test_a_name_is_never_longer_than_the_rule_for_names():
    assert len(clean("x" * 999)) == 64
    assert all(len(name) <= 64 for name in unique([("x" * 64,), ("x" * 64,), ("x" * 64,)]))
