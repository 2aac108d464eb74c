"""The status of a platform as text, as JSON, and when no member answers.

Source: ops/members/status.py.
"""

import json

import pytest

from ops.commands.status import _show
from ops.groups.progress import Group
from ops.members.status import Member, Status, read_status
from ops.platform import Platform

MEMBERS = [
    Member(name="kafka-0", address="h:1", up=True, role="controller", led=3, held=5, lagging=0, disk=2048),
    Member(name="kafka-1", address="h:2", up=False),
]


def test_a_platform_without_problems_is_healthy() -> None:
    status = Status(stack="dev", members=MEMBERS)

    assert status.headline == "dev is healthy: 2 members, 3 partitions in sync"
    assert status.to_json()["healthy"] is True


def test_the_headline_counts_what_is_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    _show(Status(stack="dev", members=MEMBERS, problems=["kafka-1: gone\nlook at: logs"]), as_json=False)

    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["dev: 1 problem", "  - kafka-1: gone; look at: logs"]
    assert lines[4].split("\t") == ["kafka-1", "-", "down", "h:2", "-", "-", "-", "?"]


def test_json_has_stable_keys(capsys: pytest.CaptureFixture[str]) -> None:
    group = Group(name="billing", state="Empty", members=["app at h"], progress=[])
    _show(Status(stack="dev", members=MEMBERS[:1], groups=[group]), as_json=True)

    assert json.loads(capsys.readouterr().out) == {
        "stack": "dev",
        "healthy": True,
        "problems": [],
        "members": [
            {
                "name": "kafka-0",
                "address": "h:1",
                "up": True,
                "role": "controller",
                "partitionsLed": 3,
                "partitionsHeld": 5,
                "partitionsLagging": 0,
                "sizeBytes": 2048,
            }
        ],
        "groups": [{"group": "billing", "state": "Empty", "members": 1, "lag": 0}],
    }


def test_members_that_do_not_answer_are_shown_as_down() -> None:
    unreachable = "127.0.0.1:1"  # nothing listens on this port
    platform = Platform(
        stack="dev",
        name="millrace-dev",
        target="docker",
        brokers={"kafka-0": unreachable},
        zookeeper={"zookeeper-0": unreachable},
        redis={"redis-0": unreachable},
    )

    status = read_status(platform)

    assert [(member.name, member.up) for member in status.members] == [
        ("zookeeper-0", False),
        ("kafka-0", False),
        ("redis-0", False),
    ]
    assert {problem.partition(":")[0] for problem in status.problems} == {"zookeeper-0", "kafka-0", "redis-0"}
