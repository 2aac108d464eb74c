"""Times of ``--since``, and unknown members.

Source: ops/members/logs.py.
"""

from datetime import UTC, datetime

import pytest

from ops.errors import RefusedError
from ops.members.logs import LogRange, parse_since, read_logs
from ops.platform import Platform

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("10m", datetime(2026, 3, 1, 11, 50, tzinfo=UTC)),
        ("2h", datetime(2026, 3, 1, 10, tzinfo=UTC)),
        ("2026-02-28T01:00:00Z", datetime(2026, 2, 28, 1, tzinfo=UTC)),
    ],
)
def test_since_is_a_duration_ago_or_a_time(text: str, moment: datetime) -> None:
    assert parse_since(text, NOON) == moment


def test_an_invalid_time_is_refused_with_valid_forms() -> None:
    with pytest.raises(ValueError, match="10m or 2h"):
        parse_since("yesterday", NOON)


def test_an_unknown_member_names_the_nearest_and_all_others() -> None:
    platform = Platform(
        stack="dev",
        name="millrace-dev",
        target="docker",
        brokers={"kafka-0": "h:1"},
        zookeeper={"zookeeper-0": "h:2"},
        redis={"redis-0": "h:3"},
    )

    with pytest.raises(RefusedError) as refused:
        read_logs(platform, "kafka0", LogRange())
    assert refused.value.problems == (
        'there is no member "kafka0". Did you mean "kafka-0"?',
        "members are zookeeper-0, kafka-0, redis-0",
    )
