"""Random stack files: each is accepted and can be run, or is rejected with a bounded list of readable mistakes.

Source: components/stack_file/settings.py, components/report.py, tests/unit/stack_file/fuzz.py.
Proof limit: no server reads what an accepted stack file renders. `make unit` sets MILLRACE_FUZZ_CASES to 10000; a plain
run checks a few. Time is the processor's in the checks alone, so that neither a busy machine nor Hypothesis fails it.
"""

import os
import re
import subprocess
import sys

import pytest

from components.errors import SettingsError
from tests.unit.mocks import ROOT
from tests.unit.stack_file.fuzz import FIELDS, KINDS, SECRET, VALID, check_message

CASES = int(os.environ.get("MILLRACE_FUZZ_CASES", "200"))
MOST_SECONDS = 60.0
MOST_MIB = 200.0


def test_random_stack_files_are_accepted_or_rejected_in_bounded_time_and_memory() -> None:
    command = [sys.executable, "-m", "tests.unit.stack_file.fuzz"]
    # Once for each checkout, Hypothesis reads the constants of all modules, which takes memory of its own.
    subprocess.run([*command, "1"], cwd=ROOT, capture_output=True, timeout=120, check=True)
    done = subprocess.run([*command, str(CASES)], cwd=ROOT, capture_output=True, text=True, timeout=1200, check=False)
    assert done.returncode == 0, f"{done.stdout[-4000:]}\n{done.stderr[-8000:]}"
    found = {name: float(value) for name, value in re.findall(r"(\w+)=([0-9.]+)", done.stdout)}
    assert found["accepted"] + found["rejected"] >= CASES * 0.95, "Hypothesis ran out of different stack files"
    assert found["accepted"] >= CASES / 20, "too few stack files are valid"
    assert found["seconds"] <= MOST_SECONDS
    assert found["most"] <= MOST_MIB


def test_every_field_gets_valid_values() -> None:
    assert sorted(VALID) == sorted(path for path, field in FIELDS.items() if field is not None)


def test_the_shares_add_up() -> None:
    assert sum(share for share, _ in KINDS.values()) == 100


@pytest.mark.parametrize(
    "problems",
    [[], ["x"] * 52, ["x" * 3001], [f"a {SECRET}"], ["Traceback (most recent call last)"], ["\ud800"]],
    ids=["none", "many", "long", "secret", "traceback", "not-unicode"],
)
def test_an_unfit_message_is_found(problems: list[str]) -> None:
    with pytest.raises((AssertionError, UnicodeEncodeError)):
        check_message(SettingsError("Pulumi.fuzz.yaml: mistakes", problems))
