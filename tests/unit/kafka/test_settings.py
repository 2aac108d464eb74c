"""Settings of brokers in a stack file.

Source: components/kafka/settings.py.
"""

from typing import Any

import pytest

from tests.unit.stack_files import GIB, MIB, NO_HOST, loaded, problems


def test_an_internal_port_of_the_other_listener_is_refused() -> None:
    """A broker listens on 9092 for clients outside; with two listeners on one port it does not start."""
    assert problems({"kafka": {"internalPort": 9092}}) == [
        "kafka.internalPort is 9092: 9092 is the port of the listener for clients outside; choose a different one"
    ]


@pytest.mark.parametrize(
    ("host", "each"),
    [
        ("127.0.0.1", False),
        ("kafka.example.com", False),
        ("K", False),
        ("{ordinal}.example", True),
        ("kafka-{ordinal}.example", True),
        ("kafka-{ordinal}", True),
    ],
)
def test_a_host_may_contain_each_brokers_placeholder(host: str, each: bool) -> None:
    kafka = loaded({"kafka": {"advertisedHost": host}}).kafka
    assert (kafka.advertised_host, kafka.advertises_each) == (host, each)


@pytest.mark.parametrize(
    "host",
    [
        "",
        "{ordinal}",
        "a b",
        "a:9092",
        "kafka-{number}.example",
        "{ordinal}-{ordinal}",
        "a-{ordinal}-{ordinal}",
        "kafka-{ordinal.example",
        "$(id)",
        "`id`",
        'a"b',
        "a\n",
        "a/b",
    ],
)
def test_an_invalid_host_is_refused(host: str) -> None:
    """The host is written into a start script, in double quotes."""
    assert problems({"kafka": {"advertisedHost": host}}) == [f'kafka.advertisedHost is "{host}": {NO_HOST}']


@pytest.mark.parametrize(
    ("section", "declared", "heap"),
    [
        ("kafka", {"memory": "4GiB", "heap": None}, 2 * GIB),
        ("kafka", {"memory": 2 * MIB + 1, "heap": None}, MIB),
        ("zookeeper", {"memory": "1GiB", "heap": None}, 512 * MIB),
        ("kafka", {"memory": "4GiB", "heap": "3GiB"}, 3 * GIB),
        ("kafka", {"memory": "4GiB"}, 512 * MIB),
    ],
)
def test_the_heap_is_half_of_the_memory_by_default(section: str, declared: dict[str, Any], heap: int) -> None:
    assert getattr(loaded({section: declared}), section).heap_bytes == heap


def test_the_production_profile_gives_half_of_any_memory_to_the_heap() -> None:
    kafka = loaded({"profile": "production", "kafka": {"memory": "12GiB"}}).kafka
    assert (kafka.heap, kafka.heap_bytes) == (None, 6 * GIB)
