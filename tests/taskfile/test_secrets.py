"""What looks like a secret in a command, and what does not."""

from __future__ import annotations

import pytest

from torch.taskfile import secrets
from torch.taskfile.secrets import Search

LOUD = {
    "--password": [
        "x --password hunter2",
        "x --password=hunter2",
        "x --db-password hunter2",
        "x -pass hunter2",
        "x --PASSWORD 'hunter2'",
        "sshpass -p x ssh --passphrase hunter2",
    ],
    "--token": ["x --token abcdef", "x --api-key=abcdef", "x --client-secret abcdef"],
    "password=": [
        "PASSWORD=hunter2 x",
        "PGPASSWORD=hunter2 psql",
        "x db_password: hunter2",
        'x "password=hunter2"',
        "x pwd=hunter2",
    ],
    "token=": ["TOKEN=abcdef x", "AWS_SECRET_ACCESS_KEY=abcdef x", "x?api_key=abcdef"],
    "an AWS key": ["x AKIAIOSFODNN7EXAMPLE"],
    "a GitHub token": ["x ghp_" + "a1B2" * 9, "x gho_" + "a1B2" * 9],
    "a bearer token": ["curl -H 'Authorization: Bearer abcd1234' x", "x bearer abcdefghijk"],
    "a password in a URL": ["psql postgres://me:hunter2@db/x", "curl https://me:hunter2@h/"],
    "-u user:password": ["curl -u me:hunter2 h", "curl -ume:hunter2 h", "curl -u 'me:hunter2' h"],
    "-p with a password": [
        "mysql -phunter2",
        "mysql -u root -phunter2 db",
        "mysqldump a -p'hunter2'",
    ],
}

QUIET = """\
x --password $PASSWORD
x --password "$PASSWORD"
x --password '$PASSWORD'
x --password=${PASSWORD}
x --password "${PASSWORD}"
x --password $(cat /run/secret)
x --password-file /etc/secret
x --password-file=/etc/secret
x --password /etc/secret
x --password
x --password --verbose
x --token-file /etc/token
x --passwordless yes
PASSWORD=$(cat /run/secret) x
PASSWORD=`cat /run/secret` x
TOKEN=${TOKEN} x
TOKEN="$TOKEN" x
echo $PASSWORD
cat /etc/passwd
curl -H "Authorization: Bearer $TOKEN" h
curl -u $USER:$PASSWORD h
curl -u "me:$PASSWORD" h
curl -u me h
curl https://$USER:$PASSWORD@h/
curl https://h:8080/a@b
curl http://h/a:b@c
docker run -u 1000:1000 image
mysql -p
mysql -p$PASSWORD
mysql -p"$PASSWORD"
mkdir -p /srv/x
ssh -p 22 h
tar -cpf x.tar y
sort --key 2 f
test pass
monkey=banana x""".splitlines()


@pytest.mark.parametrize(
    ("name", "command"), [(name, each) for name, several in LOUD.items() for each in several]
)
def test_a_secret_is_found_and_named_by_its_kind(name, command):
    assert Search().find(command) == name
    assert Search().find(tuple(command.replace("'", "").split())) == name


@pytest.mark.parametrize("command", QUIET)
def test_a_variable_a_path_and_a_plain_word_are_no_secrets(command):
    assert Search().find(command) == ""


def test_only_the_beginning_of_a_command_is_looked_at():
    secret = " --password hunter2"
    assert Search().find("x" * (secrets.HEAD - len(secret)) + secret)
    assert not Search().find("x" * secrets.HEAD + secret)


def test_a_file_has_a_budget_after_which_nothing_is_looked_at():
    search, command = Search(), "x --password hunter2"
    looked = sum(1 for _ in range(secrets.BUDGET // len(command) + 5) if search.find(command))
    assert looked == secrets.BUDGET // len(command)


def test_commands_that_no_pattern_can_match_cost_no_budget():
    search = Search()
    for _ in range(secrets.BUDGET // 100):
        assert not search.find("/usr/sbin/logrotate " * 10)
    assert search.find("x --password hunter2")
