"""The commit of the repository that holds a file, read without running git."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

from torch.taskfile.commit import find_commit

HASH = "0123456789abcdef0123456789abcdef01234567"
SHORT = HASH[:12]


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


@pytest.fixture
def file(tmp_path):
    return write(tmp_path / "work" / "deep" / "tasks.yaml", "tasks: []\n")


@pytest.fixture
def git(file):
    directory = file.parents[1] / ".git"
    directory.mkdir()
    return directory


def test_a_branch_names_its_commit(file, git):
    write(git / "HEAD", "ref: refs/heads/main\n")
    write(git / "refs/heads/main", HASH + "\n")
    assert find_commit(str(file)) == SHORT


def test_a_detached_head_is_the_commit(file, git):
    write(git / "HEAD", HASH + "\n")
    assert find_commit(str(file)) == SHORT


def test_a_hash_of_64_digits_is_one_too(file, git):
    write(git / "HEAD", "ab" * 32)
    assert find_commit(str(file)) == "ab" * 6


def test_a_packed_branch_is_found_by_its_whole_name(file, git):
    write(git / "HEAD", "ref: refs/heads/main\n")
    other = "f" * 40
    write(
        git / "packed-refs",
        f"# pack-refs with: peeled\n{other} refs/heads/main2\n{HASH} refs/heads/main\n^{other}\n",
    )
    assert find_commit(str(file)) == SHORT


def test_a_loose_ref_wins_over_a_packed_one(file, git):
    write(git / "HEAD", "ref: refs/heads/main\n")
    write(git / "packed-refs", f"{'f' * 40} refs/heads/main\n")
    write(git / "refs/heads/main", HASH)
    assert find_commit(str(file)) == SHORT


@pytest.mark.parametrize("relative", [False, True])
def test_a_worktree_shares_the_refs_of_its_repository(file, relative, tmp_path):
    main = tmp_path / "main" / ".git"
    own = main / "worktrees" / "work"
    target = os.path.relpath(own, file.parents[1]) if relative else own
    write(file.parents[1] / ".git", f"gitdir: {target}\n")
    write(own / "HEAD", "ref: refs/heads/side\n")
    write(own / "commondir", "../..\n")
    write(main / "refs/heads/side", HASH)
    assert find_commit(str(file)) == SHORT


def test_a_symlink_to_the_file_means_the_repository_of_its_target(file, git, tmp_path):
    write(git / "HEAD", HASH)
    link = tmp_path / "tasks.yaml"
    link.symlink_to(file)
    assert find_commit(str(link)) == SHORT


def test_a_file_outside_of_any_repository_has_no_commit(file):
    if find_commit("/") is None:
        assert find_commit(str(file)) is None


def test_a_repository_without_a_commit_has_none(file, git):
    write(git / "HEAD", "ref: refs/heads/main\n")
    assert find_commit(str(file)) is None


@pytest.mark.parametrize(
    "head",
    [
        "",
        "x",
        HASH[:-1],
        HASH.upper(),
        "ref: ../../../etc/passwd",
        "ref: refs/../../secret",
        "ref: refs/heads/..",
        "ref: /etc/passwd",
        "ref: refs/heads/\0",
        "ref: refs/" + "a" * 5000,
        "ref: refs/heads/loop",
        "\xff\xfe",
        HASH + "\n" + "x" * 5000,
    ],
)
def test_odd_contents_are_no_commit_and_no_crash(file, git, head):
    write(git / "HEAD", head)
    write(git / "refs/heads/loop", "ref: refs/heads/loop")
    write(git.parent / "secret", HASH)
    assert find_commit(str(file)) is None


def test_a_fifo_in_place_of_a_file_does_not_hang(file, git):
    os.mkfifo(git / "HEAD")
    assert find_commit(str(file)) is None
    (git / "HEAD").unlink()
    write(git / "HEAD", "ref: refs/heads/main")
    (git / "refs/heads").mkdir(parents=True)
    os.mkfifo(git / "refs/heads/main")
    os.mkfifo(git / "packed-refs")
    assert find_commit(str(file)) is None


@pytest.mark.parametrize("text", ["", "gitdir: /nowhere\n", "x: y\n", "gitdir: \0\n", "gitdir:\n"])
def test_an_odd_git_file_is_no_repository(file, text):
    write(file.parents[1] / ".git", text)
    assert find_commit(str(file)) is None


def test_a_missing_file_still_lies_in_a_repository(file, git):
    write(git / "HEAD", HASH)
    assert find_commit(str(file.parent / "gone.yaml")) == SHORT


@pytest.mark.skipif(not shutil.which("git"), reason="needs git")
def test_it_is_what_git_says(file):
    def run(*words):
        return subprocess.run(
            ["git", "-c", "user.name=a", "-c", "user.email=a@b", *words],
            cwd=file.parents[1],
            check=True,
            capture_output=True,
            text=True,
        ).stdout.strip()

    run("init", "--quiet")
    run("add", ".")
    run("commit", "--quiet", "-m", "one")
    assert find_commit(str(file)) == run("rev-parse", "HEAD")[:12]
    run("pack-refs", "--all")
    assert find_commit(str(file)) == run("rev-parse", "HEAD")[:12]
