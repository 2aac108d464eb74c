"""What a stack file may say about the ensemble."""

import pytest

from tests.unit.stack_files import problems


def test_a_tick_of_no_time_is_refused() -> None:
    """ZooKeeper takes a tickTime of 0 for one that is not set, and does not start."""
    (line,) = problems({"zookeeper": {"tickTime": 0}})
    assert line.startswith("zookeeper.tickTime is 0: ")


@pytest.mark.parametrize("replicas", [2, 4, 10])
def test_an_even_ensemble_is_told_why_it_makes_no_sense(replicas: int) -> None:
    assert problems({"zookeeper": {"replicas": replicas}}) == [
        f"zookeeper.replicas is {replicas}: must be odd: {replicas} members survive no more failures than "
        f"{replicas - 1}"
    ]


@pytest.mark.parametrize("key", ["server.1", "server.2"])
def test_a_member_of_the_ensemble_cannot_be_replaced_by_config(key: str) -> None:
    assert problems({"zookeeper": {"replicas": 3, "config": {key: "elsewhere:2888:3888"}}}) == [
        f'zookeeper.config: "{key}" is rendered by the platform; the platform derives the members'
    ]
