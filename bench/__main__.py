"""`python -m bench [up] [preview] [topics]`: run the comparisons and write bench/RESULTS.md."""

import platform
import sys
import tempfile
from datetime import date
from pathlib import Path

from bench import previews, topics, ups
from bench.measure import Comparison

RESULTS = Path(__file__).parent / "RESULTS.md"
BENCHMARKS = {"up": ups.compare, "preview": previews.compare, "topics": topics.compare}


def main() -> None:
    """Run the named comparisons, or all of them; only a full run is written down."""
    names = sys.argv[1:] or list(BENCHMARKS)
    sections: list[Comparison] = []
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            sections.append(BENCHMARKS[name](Path(folder)))
        print(sections[-1].markdown(), flush=True)
    if not sys.argv[1:]:
        head = (
            "# Results of `make bench`\n\n"
            f"Taken on {date.today()}, {_machine()}. Each section compares in one run; seconds are medians of the "
            "runs, with the quickest and slowest beside them.\n"
        )
        RESULTS.write_text("\n".join([head, *[section.markdown() for section in sections]]))


def _machine() -> str:
    import psutil

    memory = round(psutil.virtual_memory().total / 1024**3)
    return f"{psutil.cpu_count()} cores, {memory} GiB, {platform.system()} {platform.machine()}"


main()
