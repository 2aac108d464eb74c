"""`python -m bench [up] [preview] ...`: run the benchmarks and update their sections of bench/RESULTS.md."""

import platform
import sys
import tempfile
from datetime import date
from pathlib import Path

from bench import broker_loss, previews, production, topics, ups
from bench.results import with_section

RESULTS = Path(__file__).parent / "RESULTS.md"
BENCHMARKS = {
    "up": ups.compare,
    "preview": previews.compare,
    "topics": topics.compare,
    "production": production.compare,
    "production-preview": production.preview,
    "broker-loss": broker_loss.measure,
}


def main() -> None:
    """Run the named benchmarks, or all, and write each result when it is complete."""
    for name in sys.argv[1:] or BENCHMARKS:
        with tempfile.TemporaryDirectory() as folder:
            section = BENCHMARKS[name](Path(folder)).markdown(taken=f"{date.today()}, {_machine()}")
        print(section, flush=True)
        RESULTS.write_text(with_section(RESULTS.read_text(), section))


def _machine() -> str:
    import psutil

    memory = round(psutil.virtual_memory().total / 1024**3)
    return f"{psutil.cpu_count()} cores, {memory} GiB, {platform.system()} {platform.machine()}"


main()
