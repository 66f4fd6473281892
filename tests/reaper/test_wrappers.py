"""Programs in front of a command, with a real reaper: what they end with is never the command's,
and what the command ends with is never theirs, though it is one of these programs itself."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.reaper.talking import wait_for
from tests.waiting import until
from torch.reaper import processes
from torch.reaper.fronts import FILES, NAMES

NICE = ["/usr/bin/nice", "-n", "1"]
SETPRIV = ["/usr/bin/setpriv", "--no-new-privs", "--"]
FRONTS = {
    "nice": (NICE, [0]), "setpriv": (SETPRIV, [0]), "both": ([*NICE, *SETPRIV], [0, len(NICE)]),
}  # fmt: skip
AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")

each_front = pytest.mark.parametrize(("front", "fronts"), FRONTS.values(), ids=FRONTS)


def in_shell(text: str) -> list[str]:
    return ["/bin/sh", "-c", text]


# A command that becomes one of these programs, which then cannot do what it is asked.
OF_ITS_OWN = {
    "nice, missing": (in_shell("exec nice /no/such/program"), 127),
    "nice, no executable": (in_shell("exec nice /etc/passwd"), 126),
    "nice, wrong option": (in_shell("exec nice --no-such-option"), 125),
    "setpriv, missing": (in_shell("exec setpriv /no/such/program"), None),
    "setpriv, wrong option": (in_shell("exec setpriv --no-such-option"), 1),
    "a list of nice": (["/usr/bin/nice", "/no/such/program"], 127),
    "a list of setpriv": (["/usr/bin/setpriv", "/no/such/program"], None),
}


def alone(argv: list[str]) -> int:
    return subprocess.run(argv, capture_output=True, check=False).returncode


@each_front
@pytest.mark.parametrize(("command", "code"), OF_ITS_OWN.values(), ids=OF_ITS_OWN)
def test_a_command_that_becomes_nice_or_setpriv_has_the_code_of_that(
    reaper, front, fronts, command, code
):
    expected = alone(command) if code is None else code
    assert expected in (1, 125, 126, 127)
    reaper.say("r-1", [*front, *command], fronts=fronts)
    assert reaper.talk.code("r-1") == expected
    assert reaper.talk.find("refused", "r-1") is None


@each_front
def test_a_front_that_cannot_start_the_command_is_a_refusal_that_names_it(reaper, front, fronts):
    reaper.say("r-1", [*front, "/no/such/program"], fronts=fronts)
    last = os.path.basename(front[fronts[-1]])
    assert reaper.talk.refusal("r-1").startswith(f"{last} could not start its command")
    assert reaper.talk.find("ended", "r-1") is None
    assert wait_for(reaper.output("r-1"), "/no/such/program")


def test_where_nice_cannot_start_setpriv_the_command_never_began(reaper):
    argv = [*NICE, "/no/such/place/setpriv", "--", "/bin/true"]
    reaper.say("r-1", argv, fronts=[0, len(NICE)])
    assert reaper.talk.refusal("r-1").startswith("nice could not start its command")


@AS_ROOT
def test_where_setpriv_may_not_change_the_user_the_command_never_began(make, public):
    reaper = make(folder=public, user=54321).ready()
    front = [*NICE, "/usr/bin/setpriv", "--reuid=54322", "--"]
    reaper.say("r-1", [*front, "/bin/true"], fronts=[0, len(NICE)])
    assert reaper.talk.refusal("r-1").startswith("setpriv could not start its command")


@AS_ROOT
def test_the_command_is_another_users_though_the_links_are_private(reaper):
    front = ["/usr/bin/setpriv", "--reuid=54321", "--regid=54321", "--clear-groups", "--"]
    command = in_shell(f"id -u; nice; ls {reaper.directory} >&2 && echo seen")
    reaper.say("r-1", [*NICE, *front, *command], fronts=[0, len(NICE)])
    assert reaper.talk.code("r-1") != 0
    reaper.talk.hear("closed", "r-1")
    assert reaper.printed("r-1").split()[:2] == ["54321", f"{os.nice(0) + 1}"]
    assert "seen" not in reaper.printed("r-1")


@each_front
def test_the_command_has_its_own_name_and_arguments(reaper, front, fronts):
    reaper.say("r-1", [*front, "/bin/sleep", "600"], fronts=fronts)
    pid = reaper.talk.pid("r-1")
    until("it is the command", lambda: _name(pid) == "sleep")
    assert Path(f"/proc/{pid}/cmdline").read_bytes() == b"/bin/sleep\x00600\x00"
    os.kill(pid, 9)
    assert reaper.talk.code("r-1") == 137


def _name(pid: int) -> str:
    seen = processes.stat(pid)
    return "" if seen is None else seen.name


def test_the_first_front_is_told_its_own_name_as_one_file_of_many_programs_needs(reaper, tmp_path):
    """Such a file looks at its first argument. Here it is a program that prints it."""
    program = _compiled(tmp_path, 'printf("%s %s\\n", argv[0], argv[1]); return 3;')
    (tmp_path / "nice").symlink_to(program)
    reaper.say("r-1", [f"{tmp_path}/nice", "x"], fronts=[0])
    assert reaper.talk.code("r-1") == 3
    reaper.talk.hear("closed", "r-1")
    assert reaper.printed("r-1") == f"{tmp_path}/nice x\n"


def _compiled(folder: Path, body: str) -> Path:
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no C compiler here")
    source = folder / "program.c"
    source.write_text(f"#include <stdio.h>\nint main(int argc, char **argv) {{ {body} }}\n")
    subprocess.run([compiler, "-o", folder / "program", source], check=True)
    return folder / "program"


def test_a_name_without_a_front_means_nothing(reaper, tmp_path):
    """Only an order that has programs in front can end as one of them."""
    for name in NAMES:
        (tmp_path / name).symlink_to("/bin/false")
        reaper.say(name, [f"{tmp_path}/{name}"])
        assert reaper.talk.code(name) == 1


def test_links_that_somebody_took_away_or_changed_are_made_again(reaper):
    link = reaper.directory / "torch-nice"

    def runs(run: str) -> None:
        reaper.say(run, [*NICE, "/bin/true"], fronts=[0])
        assert reaper.talk.code(run) == 0
        assert os.readlink(link) == NICE[0]

    runs("r-1")
    link.unlink()
    runs("r-2")
    link.unlink()
    link.symlink_to("/bin/false")
    runs("r-3")
    link.unlink()
    link.write_text("")
    runs("r-4")


def test_links_that_cannot_be_made_are_a_refusal(reaper):
    (reaper.directory / "torch-nice").mkdir()
    reaper.say("r-1", [*NICE, "/bin/true"], fronts=[0])
    assert "a link to /usr/bin/nice cannot be made" in reaper.talk.refusal("r-1")
    assert not reaper.journal().runs["r-1"].begun


def test_a_reaper_that_ends_leaves_no_links(reaper):
    front, fronts = FRONTS["both"]
    reaper.say("r-1", [*front, "/bin/true"], fronts=fronts)
    assert reaper.talk.code("r-1") == 0
    reaper.talk.hear("closed", "r-1")
    assert {*FILES} & {*os.listdir(reaper.directory)} == {*NAMES}
    reaper.talk.send(b"forget", b"r-1")
    reaper.talk.close()
    reaper.wait_end()
    assert not reaper.directory.exists()
