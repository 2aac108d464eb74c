"""The results page keeps the sections of benchmarks that did not run.

Source: bench/results.py.
"""

from bench.measure import Comparison, Figure
from bench.results import with_section

PAGE = "# Results\n\nWords.\n\n## First\n\none\n\n## Second\n\ntwo\n"


def test_a_section_replaces_the_one_with_the_same_title() -> None:
    assert with_section(PAGE, "## First\n\nnew\n") == PAGE.replace("one", "new")
    assert with_section(PAGE, "## Second\n\nnew\n") == PAGE.replace("two", "new")


def test_a_new_section_is_appended() -> None:
    assert with_section(PAGE, "## Third\n\nthree\n") == f"{PAGE}\n## Third\n\nthree\n"


def test_writing_the_same_sections_again_changes_nothing() -> None:
    assert with_section(PAGE, "## First\n\none\n") == PAGE


def test_a_section_says_when_and_where_it_was_measured() -> None:
    figure = Figure("it", [3.0, 1.0, 2.0])
    section = Comparison("Title", "How.", [figure], [("ratio", 1.5)], "target: 2").markdown("today, here")
    assert section.startswith("## Title\n\nHow. Taken on today, here.\n")
    assert "| it | 2.00 | 1.00 | 3.00 |" in section
    assert "* ratio: **1.50**" in section
