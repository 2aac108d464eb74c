"""Every field of a stack file has an answer to every change, on every target, and the answer is true.

Source: components/transitions.py, the transitions.py of each subject, components/stack_file/transitions.py.
Proof limit: which servers restart is read from the program's own resources on mocks. That the targets then restart them
one at a time, and that stages leave a working platform, only the tests on real engines and clusters show.
"""

from functools import cache

import pytest

from components.errors import SettingsError
from components.stack_file.settings import Settings
from components.stack_file.transitions import RULES, verdict
from components.transitions import TARGETS, Allowed, Refused, Staged, TargetName, answer_to
from tests.transitions.changes import INVALID, declared, members, new_values, paths, restarted, settings
from tests.unit.stack_files import FIELDS

WATCHERS = {"exporter", "prometheus", "grafana"}
"""They restart whenever what they watch changes; only rules of their own settings say so."""

OTHERS = {
    (target, path) for target in TARGETS for path in ("target", "profile", "redis.password", "monitor.grafana.password")
}
"""Fields with tests of their own below."""

CHANGES = [(target, path) for target in TARGETS for path in paths() if (target, path) not in INVALID | OTHERS]


@cache
def base_members(target: TargetName, path: str) -> dict[str, dict[str, str]]:
    return members(target, settings(target, path))


def old_value(target: TargetName, path: str) -> object:
    value: object = settings(target, path).model_dump(mode="json", by_alias=True)
    for key in path.split("."):
        assert isinstance(value, dict)
        value = value[key]
    return value


def test_every_field_has_a_rule_and_every_rule_a_field() -> None:
    assert sorted(RULES) == sorted(path for path, _, _ in FIELDS)


@pytest.mark.parametrize(("target", "path"), CHANGES)
def test_each_change_is_allowed_refused_or_staged_as_its_rule_says(target: TargetName, path: str) -> None:
    before = settings(target, path)
    values = new_values(path, old_value(target, path))
    assert values
    for value in values:
        after = settings(target, path, value)
        (change,) = verdict(before, after).changes
        assert change.path == path
        if isinstance(change.answer, Refused):
            continue
        found = restarted(base_members(target, path), members(target, after))
        assert set(change.answer.restarts) == (found if path.startswith("monitor.") else found - WATCHERS), value


@pytest.mark.parametrize(("target", "path"), sorted(INVALID))
def test_a_field_of_another_target_is_a_mistake(target: TargetName, path: str) -> None:
    (value, *_) = new_values(path, None)
    with pytest.raises(SettingsError):
        settings(target, path, value)


@pytest.mark.parametrize("target", TARGETS)
def test_every_value_that_another_profile_changes_has_an_answer(target: TargetName) -> None:
    before = settings(target)
    for profile in new_values("profile", before.profile):
        changes = verdict(before, settings(target, "profile", profile)).changes
        assert {"profile"} < {change.path for change in changes}


@pytest.mark.parametrize(("target", "other"), [TARGETS, TARGETS[::-1]])
def test_another_target_is_refused_and_only_that_is_said(target: TargetName, other: TargetName) -> None:
    found = verdict(settings(target), settings(other))
    assert [change.path for change in found.changes] == ["target"]
    assert len(found.refusals) == 1


@pytest.mark.parametrize("path", ["redis.password", "monitor.grafana.password"])
@pytest.mark.parametrize("target", TARGETS)
def test_a_given_password_instead_of_a_generated_one_is_allowed(target: TargetName, path: str) -> None:
    assert isinstance(answer_to(RULES[path], target, None, "given"), Allowed | Staged)


def test_no_change_has_no_answer() -> None:
    for target in TARGETS:
        assert verdict(settings(target), settings(target)).changes == []


def test_ports_that_another_member_still_holds_are_refused() -> None:
    before = settings("docker")
    port = before.kafka.port
    found = verdict(before, settings("docker", "kafka.port", port + 1))
    assert found.refusals == [
        f"kafka-{number} would take port {port + 1 + number}, which kafka-{number + 1} holds until it is replaced "
        "itself; members change one at a time. Change to ports that none of them holds, run `pulumi up`, then to these"
        for number in range(before.kafka.replicas - 1)
    ]
    assert verdict(before, settings("docker", "kafka.port", port + 100)).refusals == []


def test_ports_of_a_cluster_are_each_members_own() -> None:
    before = settings("kubernetes")
    assert verdict(before, settings("kubernetes", "kafka.port", before.kafka.port + 1)).refusals == []


def test_a_secret_value_is_not_shown() -> None:
    before, after = settings("docker"), settings("docker", "redis.config", {"timeout": "2222"})
    (change,) = verdict(before, after, secret=["redis"]).changes
    assert "2222" not in str(change)
    assert "redis.config: (a secret) -> (a secret): restarts redis" in str(change)


def test_stack_files_of_these_tests_are_valid() -> None:
    assert isinstance(settings("docker"), Settings)
    assert declared("kubernetes")["target"] == "kubernetes"
