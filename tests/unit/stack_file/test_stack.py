"""The running stack's configuration, as Pulumi passes it.

Source: components/stack_file/stack.py.
"""

from types import SimpleNamespace

import pulumi
import pytest

from components.errors import SettingsError
from components.stack_file import stack


def mistakes(monkeypatch: pytest.MonkeyPatch, config: dict[str, str]) -> list[str]:
    """The mistakes in a stack's configuration."""
    monkeypatch.setattr(pulumi, "get_project", lambda: "millrace")
    monkeypatch.setattr(pulumi, "get_stack", lambda: "test")
    monkeypatch.setattr(stack, "CONFIG", SimpleNamespace(get=lambda: config))
    monkeypatch.setattr(stack, "is_config_secret", lambda key: False)
    with pytest.raises(SettingsError) as caught:
        stack.stack_settings()
    assert caught.value.headline.startswith("Pulumi.test.yaml: ")
    return list(caught.value.problems)


@pytest.mark.parametrize(
    "value",
    ['{"replicas": ' + "9" * 5000 + "}", '{"a":' * 100_000, "[" * 100_000, "{replicas: 1}"],
    ids=["digits", "deep-mapping", "deep-list", "no-json"],
)
def test_a_structured_value_that_cannot_be_read_is_a_mistake(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    (line,) = mistakes(monkeypatch, {"millrace:kafka": value})
    assert line.startswith('kafka is "')
    assert line.endswith('": must be a mapping of keys to values')


def test_keys_of_other_projects_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    config = {"docker:host": "x", "millrace:kafka": '{"replicas": 0}', "millrace:profile": "lite"}
    assert mistakes(monkeypatch, config) == [
        'profile is "lite": allowed are light, ha, production. Did you mean "light"?',
        "kafka.replicas is 0: must be at least 1",
    ]
