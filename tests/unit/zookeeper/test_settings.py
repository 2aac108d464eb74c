"""Settings of the ensemble in a stack file.

Source: components/zookeeper/settings.py.
"""

import pytest

from tests.unit.stack_files import problems


def test_a_tick_time_of_0_is_refused() -> None:
    """ZooKeeper treats a tickTime of 0 as unset and does not start."""
    (line,) = problems({"zookeeper": {"tickTime": 0}})
    assert line.startswith("zookeeper.tickTime is 0: ")


@pytest.mark.parametrize("replicas", [2, 4, 10])
def test_an_ensemble_of_even_size_is_refused_with_the_reason(replicas: int) -> None:
    assert problems({"zookeeper": {"replicas": replicas}}) == [
        f"zookeeper.replicas is {replicas}: must be odd: {replicas} members survive no more failures than "
        f"{replicas - 1}"
    ]


@pytest.mark.parametrize("key", ["server.1", "server.2"])
def test_config_cannot_override_a_member_of_the_ensemble(key: str) -> None:
    assert problems({"zookeeper": {"replicas": 3, "config": {key: "elsewhere:2888:3888"}}}) == [
        f'zookeeper.config: "{key}" is rendered by the platform; the platform derives the members'
    ]
