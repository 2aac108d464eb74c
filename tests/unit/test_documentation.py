"""README and docs agree with the code and with each other.

Source: README.md, docs/.
Proof limit: texts are compared with the code; no command of the documents runs.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from components.stack_file.settings import Settings
from tools.tables import DOCS, TABLES, with_table

PROJECT = DOCS.parent
README = PROJECT / "README.md"
PAGES = [
    README,
    *(PROJECT / name for name in ("CONTRIBUTING.md", "CHANGELOG.md", "Pulumi.README.md", "bench/RESULTS.md")),
    *sorted(DOCS.glob("*.md")),
    *sorted(PROJECT.glob("*/README.md")),
    *sorted(PROJECT.glob("examples/*/README.md")),
]

LONGEST_README = 200
"""Maximum number of lines of the README; longer texts belong in docs/."""


def name(page: Path) -> str:
    return str(page.relative_to(PROJECT))


def prose(page: Path) -> str:
    """A page's text without its code blocks."""
    return re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)


def links(page: Path) -> Iterator[tuple[str, str]]:
    """The page's links inside this project: path ("" for the page itself) and anchor ("" where there is none)."""
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if not re.match(r"[a-z]+:", target):
            path, _, anchor = target.partition("#")
            yield path, anchor


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub builds them."""
    found: dict[str, int] = {}
    for heading in re.findall(r"^#+ +(.*?) *$", prose(page), re.MULTILINE):
        text = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).replace("`", "")
        slug = re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")
        found[slug] = found.get(slug, -1) + 1
    return {slug if number == 0 else f"{slug}-{number}" for slug, last in found.items() for number in range(last + 1)}


@pytest.mark.parametrize("page", TABLES)
def test_a_pages_table_is_generated_from_the_code(page: str) -> None:
    text = (DOCS / page).read_text()
    table = TABLES[page]()
    assert with_table(text, table) == text, "run `python -m tools.tables`"
    assert table in text


def test_the_readme_is_short_and_links_to_every_page() -> None:
    assert len(README.read_text().splitlines()) <= LONGEST_README
    linked = {path for path, _ in links(README)}
    assert {f"docs/{page.name}" for page in DOCS.glob("*.md")} - linked == set()


def test_figures_in_the_readme_are_those_of_the_benchmarks() -> None:
    quoted = re.findall(r"([0-9]+\.[0-9]+) times", README.read_text())
    assert quoted
    results = (PROJECT / "bench" / "RESULTS.md").read_text()
    assert [figure for figure in quoted if f"**{figure}**" not in results] == []


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_inside_the_project_have_a_target(page: Path) -> None:
    missing = [path for path, _ in links(page) if not (page.parent / path).exists()]
    assert missing == []
    targets = [(page.parent / path if path else page, anchor) for path, anchor in links(page) if anchor]
    assert [f"{name(target.resolve())}#{anchor}" for target, anchor in targets if anchor not in anchors(target)] == []


def test_anchors_are_built_as_github_builds_them(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# On `Docker`\n## 2. Zones\n## What can fail, and what then\n```\n# no heading\n```\n## 2. Zones\n"
    )
    assert anchors(page) == {"on-docker", "2-zones", "2-zones-1", "what-can-fail-and-what-then"}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_make_targets_that_a_page_names_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (PROJECT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"(?:`|^)make (?:-s )?([a-z-]+)", page.read_text(), re.MULTILINE))
    assert named <= targets


def test_the_schema_of_pulumi_yaml_agrees_with_the_settings() -> None:
    schema = yaml.safe_load((PROJECT / "Pulumi.yaml").read_text())["config"]
    fields = {field.alias: field for field in Settings.model_fields.values()}
    assert schema.keys() == fields.keys()
    for key, entry in schema.items():
        assert entry["description"] == fields[key].description
        default = fields[key].get_default(call_default_factory=True) if entry["type"] != "object" else {}
        assert entry["default"] == default, "a section's defaults are those of its profile"
