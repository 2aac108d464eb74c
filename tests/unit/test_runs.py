"""Runs of the tests that share an engine wait for each other.

Source: tests/runs.py.
"""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.runs import only_run

HOLD = """
import sys
from pathlib import Path
from tests.runs import only_run
with only_run("docker", Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_run_waits_and_then_says_what_is_in_the_way(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        with (
            pytest.raises(pytest.exit.Exception, match="other tests still run on the same docker"),
            only_run("docker", tmp_path, patience=0.2),
        ):
            raise AssertionError("two runs at once")
        other.kill()
    with only_run("docker", tmp_path, patience=0.2), only_run("docker", tmp_path, patience=0.2):
        pass
