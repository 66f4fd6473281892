"""The JSON Schema, the page about the task file, the shipped file: none may contradict the parser.

The schema may take what the parser refuses (names twice, unknown groups), never the reverse.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from tests.taskfile.making import read, refused
from torch.taskfile.docs import task_file_markdown
from torch.taskfile.file_keys import FILE_KEYS
from torch.taskfile.keys import TASK_KEYS
from torch.taskfile.schema import json_schema

ROOT = Path(__file__).parents[2]
SHIPPED = (ROOT / "config" / "tasks.yaml").read_text(encoding="utf-8")
TABLE = Path(__file__).parent / "conformance" / "task-files.json"
GOOD = [
    case
    for case in json.loads(TABLE.read_text(encoding="utf-8"))["cases"]
    if case["expect"] != "error"
]


class Core(yaml.SafeLoader):
    """What an editor reads: YAML 1.2's core values, so that 010 is a number and yes is text."""


Core.yaml_implicit_resolvers = {}
Core.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("^(true|false)$"), list("tf"))
Core.add_implicit_resolver("tag:yaml.org,2002:int", re.compile("^-?[0-9]+$"), list("-0123456789"))
Core.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^-?[0-9]+\.[0-9]+$"), list("-0123456789")
)
Core.add_implicit_resolver("tag:yaml.org,2002:null", re.compile("^(~|null|)$"), ["~", "n", ""])


def complaints(text: str) -> list[str]:
    """What a validator that knows nothing of Torch says about the file."""
    validator = Draft202012Validator(json_schema())
    return [each.message for each in validator.iter_errors(yaml.load(text, Loader=Core))]


def test_the_schema_is_a_valid_one_of_its_dialect_and_plain_json():
    schema: Any = json.loads(json.dumps(json_schema()))
    assert schema == json_schema()
    assert schema["$schema"] == Draft202012Validator.META_SCHEMA["$id"]
    Draft202012Validator.check_schema(schema)


def test_the_shipped_file_passes_the_schema_and_the_parser_without_a_warning():
    assert complaints(SHIPPED) == []
    assert read(SHIPPED).problems == ()


def test_the_shipped_file_shows_every_key():
    shown = yaml.load(SHIPPED, Loader=Core)
    in_tasks = {key for each in (*shown["tasks"], shown["defaults"]) for key in each}
    assert in_tasks == {key.name for key in TASK_KEYS.values()}
    assert set(shown) == {key.name for key in FILE_KEYS.values()}
    for key in TASK_KEYS.values():
        if key.kind.keys:
            parts = {part for each in shown["tasks"] for part in each.get(key.name, ())}
            assert parts == {part.name for part in key.kind.keys}


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        ("timeout: 20s", "timout: 20s"),
        ("timeout: 20s", "timeout: 20"),
        ("timeout: 20s", "timeout: soon"),
        ("grace: 5s", "grace: true"),
        ("max: 2 ", 'max: "2" '),
        ("max: 2 ", "max: 0 "),
        ("max: 2 ", "max: 2.5 "),
        ("overlap: queue", "overlap: quueue"),
        ("nice: 10", "nice: 20"),
        ('umask: "027"', "umask: 027"),
        ('umask: "027"', 'umask: "999"'),
        ("enabled: false", 'enabled: "false"'),
        ("keep: 20", "keeep: 20"),
        ("keep: 20", "keep: many"),
        ("max_size: 1MiB", "max_size: 1"),
        ("healthy_after: 5s", "healthy_after: {}"),
        ("env: {CONSUMER_NAME: demo}", "env: {CONSUMER-NAME: demo}"),
        ("env: {CONSUMER_NAME: demo}", "env: {TORCH_NAME: demo}"),
        ("env: {CONSUMER_NAME: demo}", "env: {CONSUMER_NAME: 3}"),
        ("labels: {team: platform, kind: check}", "labels: [platform]"),
        ("success_codes: [0, 3]", "success_codes: [0, 256]"),
        ("success_codes: [0, 3]", "success_codes: []"),
        ("cwd: /tmp", "cwd: tmp"),
        ("type: daemon", "type: deamon"),
        ("type: daemon", 'type: daemon\n    schedule: "* * * * *"'),
        ("version: 1", "version: 2"),
        ("version: 1", "vesrion: 1"),
        ("defaults: ", "defaults: []\nx: "),
        ("defaults: ", "default: "),
        ("- name: heartbeat", "- nam: heartbeat"),
        ("- name: heartbeat", "- name: heart/beat"),
        ('hosts: [web, batch, "!10.0.1.12"]', "hosts: web"),
        ('schedule: "*/2 * * * * *"', "schedule: 5"),
        ("timezone: Europe/Berlin", "on_failure: ops"),
        ("attempts: 3", "attempts: 101"),
        ("backoff: 2", "backoff: 0.5"),
        ("jitter: 20s", "jitter: 20"),
        ("user: root", "user: 0"),
    ],
)
def test_a_mistake_is_refused_by_the_schema_and_the_parser(good, bad):
    assert good in SHIPPED
    text = SHIPPED.replace(good, bad, 1)
    assert complaints(text) != []
    assert refused(text)


@pytest.mark.parametrize("case", GOOD, ids=[case["id"] for case in GOOD])
def test_what_the_parser_takes_the_schema_takes(case):
    text = eval(case["gen"]).decode() if "gen" in case else case["text"]
    read(text)
    assert complaints(text) == []


@pytest.mark.parametrize("key", [*TASK_KEYS.values()], ids=lambda k: k.name)
def test_the_example_of_each_key_passes_the_schema(key):
    schema = {**json_schema(), **key.kind.schema}
    validator = Draft202012Validator({"$defs": schema["$defs"], **key.kind.schema})
    assert list(validator.iter_errors(yaml.load(key.example, Loader=Core))) == []


def test_the_page_on_disk_is_the_one_the_table_makes():
    on_disk = (ROOT / "docs" / "task-file.md").read_text(encoding="utf-8")
    assert on_disk == task_file_markdown(), "the page is stale; run: make docs"


def test_the_page_describes_the_keys_inside_a_record():
    page = task_file_markdown()
    for key in TASK_KEYS.values():
        if key.kind.keys:
            assert f"\nKeys of `{key.name}`:\n" in page
            for part in key.kind.keys:
                assert f"| `{part.name}` | {part.kind.says}" in page


def test_every_row_of_the_page_has_as_many_cells_as_its_table():
    rows = [line for line in task_file_markdown().splitlines() if line.startswith("|")]
    cells = [row.replace("\\|", "").count("|") for row in rows]
    assert set(cells) <= {3, 4, 5}
