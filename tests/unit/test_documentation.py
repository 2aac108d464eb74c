"""README and documents agree with the code."""

import re
from pathlib import Path

import pytest
import yaml

from components.stack_file.settings import Settings
from tools.tables import README, outputs_table, settings_table, with_tables

PROJECT = README.parent
PAGES = [README, PROJECT / "CONTRIBUTING.md", *sorted((PROJECT / "docs").glob("*.md")), *PROJECT.glob("*/README.md")]


def test_the_readmes_tables_are_those_of_the_code() -> None:
    text = README.read_text()
    assert with_tables(text) == text, "run `python -m tools.tables`"
    assert settings_table() in text
    assert outputs_table() in text


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))
def test_files_that_a_page_links_exist(page: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text())
    missing = [link for link in links if not (page.parent / link).exists()]
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))
def test_make_targets_that_a_page_names_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (PROJECT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"`make (?:-s )?([a-z-]+)", page.read_text()))
    assert named <= targets


def test_the_projects_schema_says_what_the_settings_say() -> None:
    schema = yaml.safe_load((PROJECT / "Pulumi.yaml").read_text())["config"]
    fields = {field.alias: field for field in Settings.model_fields.values()}
    assert schema.keys() == fields.keys()
    for key, entry in schema.items():
        assert entry["description"] == fields[key].description
        default = fields[key].get_default(call_default_factory=True) if entry["type"] != "object" else {}
        assert entry["default"] == default, "a section's defaults are its profile's"
