"""The command line of drills, without a platform: what it refuses, how it ends, and what its report holds.

Source: ops/commands/drill.py.
"""

import json
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from ops.commands import drill as command
from ops.commands import options
from ops.drills import runner
from ops.drills.catalogue import DRILLS
from ops.drills.kafka_figures import figures_of
from ops.drills.measures import Phases
from ops.drills.outcome import Outcome
from ops.drills.plan import Plan, Request
from ops.drills.promises import Limits, judge
from ops.drills.report import document, write
from ops.errors import BrokenError, ExitCode, RefusedError
from ops.platform import Platform
from tests.unit.ops.test_drill_faults import platform
from tests.unit.ops.test_drill_promises import evidence

PLAN = Plan(identity="1", rate=1, size=64, seconds=10, hold=10, targets=["kafka-1"], limits=Limits(published=10))


def outcome(**changes: Any) -> Outcome:
    seen = evidence(**changes)
    drill, figures = DRILLS["broker-loss"], figures_of(seen)
    return Outcome(
        drill=drill,
        platform=platform("docker"),
        plan=PLAN,
        started=0.0,
        phases=seen.phases,
        figures=figures,
        promises=judge(drill.rules, figures, PLAN.limits),
        evidence=seen,
    )


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "Pulumi.yaml").touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(found: Platform, *arguments: str) -> Any:
    app = typer.Typer()

    @app.callback()
    def root(given: typer.Context) -> None:
        given.obj = options.Context(found.stack)
        given.obj.__dict__["platform"] = found

    command.register(app)
    return CliRunner().invoke(app, ["drill", *arguments])


@pytest.mark.parametrize("name", list(DRILLS))
def test_production_is_refused_unless_it_is_named(name: str, project: Path) -> None:
    refused = run(platform("kubernetes"), name)
    assert isinstance(refused.exception, RefusedError)
    assert "--yes-on test" in str(refused.exception)
    assert refused.exception.code == ExitCode.REFUSED


def test_what_does_not_apply_is_refused_with_the_reason(project: Path) -> None:
    refused = run(platform("kubernetes"), "disk-full", "--yes-on", "test")
    assert isinstance(refused.exception, RefusedError)
    assert "does not apply on kubernetes" in str(refused.exception)


def test_the_list_shows_what_applies() -> None:
    shown = run(platform("kubernetes"), "list")
    rows = [line.split("\t") for line in shown.stdout.splitlines()]
    assert {row[0] for row in rows[1:] if row[3] != "yes"} == {"network-partition", "disk-full"}


def use(found: Outcome, monkeypatch: pytest.MonkeyPatch) -> list[Request]:
    asked: list[Request] = []

    def prepare(drill: object, platform: object, request: Request, say: object) -> tuple[Plan, None]:
        asked.append(request)
        return PLAN, None

    monkeypatch.setattr(runner, "prepare", prepare)
    monkeypatch.setattr(runner, "conduct", lambda drill, plan, initial, say: found)
    return asked


def test_kept_promises_exit_with_zero_and_a_minute_is_60_seconds(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = use(outcome(), monkeypatch)
    done = run(platform("docker"), "broker-loss", "--minutes", "0.5", "--json")
    assert done.exit_code == 0, done.output
    assert asked[0].seconds == 30
    assert json.loads(done.stdout)["kept"] is True
    assert (project / "drills" / "test-broker-loss-19700101T000000Z" / "report.md").exists()


def test_a_broken_promise_ends_with_status_one_after_the_report(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use(outcome(failed=1, errors={"KafkaTimeoutError: too late": 1}), monkeypatch)
    done = run(platform("docker"), "broker-loss", "--report", "report")
    assert isinstance(done.exception, BrokenError)
    assert done.exception.code == ExitCode.FOUND_WRONG
    assert "1 of 40 failed, most with KafkaTimeoutError" in str(done.exception)
    assert "BROKEN\tthe client gets no error" in done.stdout
    assert json.loads((project / "report" / "report.json").read_text())["kept"] is False


def test_seconds_and_minutes_together_are_wrong_usage() -> None:
    assert run(platform("docker"), "broker-loss", "--minutes", "1", "--seconds", "2").exit_code == ExitCode.USAGE


def test_a_report_has_figures_promises_versions_and_a_timeline(tmp_path: Path) -> None:
    found = document(outcome())
    assert found["phases"] == {"start": 0.0, "fault": 10.0, "healed": 20.0, "recovered": 30.0, "end": 40.0}
    assert found["versions"]["kafka-python"] == "3.0.12"
    assert sum(found["series"]["acknowledged"]) == 40
    changes = [(change["at"], change["answered"]) for change in found["series"]["cluster"]]
    assert changes == [(5.0, True), (13.0, False), (14.0, True), (15.0, True), (30.0, True)], "only what changed"
    write(outcome(), tmp_path)
    written = json.loads((tmp_path / "report.json").read_text())
    assert written["figures"]["publishedMeanwhile"] == 20
    assert written["figures"]["latencyMs"]["during"]["p99"] == 20
    text = (tmp_path / "report.md").read_text()
    assert "All promises were kept." in text
    assert "| during | 1 | 20 | 20 | 20 | 20 |" in text
    assert (tmp_path / "latency.png").stat().st_size > 10_000


def test_a_drill_that_never_recovered_can_be_reported(tmp_path: Path) -> None:
    never = outcome(phases=Phases(0.0, 10.0, 20.0, None, 40.0))
    assert not never.kept
    write(never, tmp_path)
    assert "all replicas are in sync within 60 s after healing | never |" in (tmp_path / "report.md").read_text()
