"""The rendered files of the project's stacks, compared with tests/golden.

Source: components/*/files.py.
Proof limit: that the servers accept the files is shown by the integration tests.
"""

from collections import Counter
from typing import Any

import javaproperties
import pytest

from components.errors import SettingsError
from tests.unit.redis.conf import directives
from tests.unit.regenerate_golden import GOLDEN, MANIFESTS, MONITORED, STACKS, monitored, rendered, settings_of
from tests.unit.stack_files import loaded

REGENERATE = "if the change is wanted: python -m tests.unit.regenerate_golden, then read the difference"
FILES = ("zoo.cfg", "server.properties", "redis.conf")


def parsed(name: str, text: str) -> Any:
    """A file as the server understands it: a mapping, or for redis.conf its lines in any order."""
    return Counter(text.splitlines()) if name == "redis.conf" else javaproperties.loads(text)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("stack", STACKS)
def test_a_stacks_file_equals_the_golden_one(stack: str, name: str) -> None:
    golden = GOLDEN / stack / name
    assert golden.exists(), f"no {golden.relative_to(GOLDEN.parents[1])}; {REGENERATE}"
    assert parsed(name, rendered(stack)[name]) == parsed(name, golden.read_text()), f"{stack}/{name}: {REGENERATE}"


@pytest.mark.parametrize("stack", MONITORED)
def test_a_stacks_alerts_and_dashboard_equal_the_golden_ones(stack: str) -> None:
    for name, text in monitored(stack).items():
        assert text == (GOLDEN / stack / name).read_text(), f"{stack}/{name}: {REGENERATE}"


def test_the_golden_folder_holds_exactly_these_files() -> None:
    kept = {str(path.relative_to(GOLDEN)) for path in GOLDEN.rglob("*") if path.is_file()}
    files = {f"{stack}/{name}" for stack in STACKS for name in FILES}
    files |= {f"{stack}/{name}" for stack in MONITORED for name in monitored(stack)}
    assert kept == {*files, f"prod/{MANIFESTS}"}, REGENERATE
    assert {stack: tuple(rendered(stack)) for stack in STACKS} == dict.fromkeys(STACKS, FILES)


def test_the_ensembles_file_is_the_same_in_every_stack() -> None:
    """The list of members, which differs, is part of the data."""
    assert len({rendered(stack)["zoo.cfg"] for stack in STACKS}) == 1


@pytest.mark.parametrize(("name", "section"), [("server.properties", "kafka"), ("redis.conf", "redis")])
def test_a_key_that_settings_derive_cannot_be_set_in_config(name: str, section: str) -> None:
    """Keys whose values differ between stacks come from settings; ``config`` must not override them."""
    entries = []
    for stack in STACKS:
        free = getattr(settings_of(stack), section).config
        text = rendered(stack)[name]
        lines = directives(text) if name == "redis.conf" else javaproperties.loads(text).items()
        entries.append({tuple(line) for line in lines if line[0] not in free})
    differing = set.union(*entries) - set.intersection(*entries)
    decided = {line[0] for line in differing}
    assert decided, "the profiles differ"
    accepted = []
    for key in sorted(decided):
        try:
            loaded({section: {"config": {key: "1"}}})
        except SettingsError:
            continue
        accepted.append(key)
    assert accepted == [], "these would silently override what the platform derives"
