"""An ensemble in a program without a platform.

Source: components/zookeeper/component.py.
Proof limit: mocks replace the engine; nothing is created.
"""

import pulumi

from components.targets.docker.target import DockerTarget
from components.zookeeper.component import ZooKeeperEnsemble, ZooKeeperEnsembleArgs
from components.zookeeper.settings import ZooKeeperSettings
from tests.unit.mocks import CONTAINER, NETWORK, Run, declared_by


def ensemble(profile: str) -> Run:
    def program() -> dict[str, object]:
        args = ZooKeeperEnsembleArgs(
            target=DockerTarget("own").prepare(), settings=ZooKeeperSettings.of(profile), image="own/kafka:1"
        )
        made = ZooKeeperEnsemble("ensemble", args)
        return {"members": made.members, "connect": made.connect, "internal": made.internal_connect}

    return declared_by(program)


def test_an_ensemble_exports_its_members_addresses() -> None:
    assert ensemble("ha").outputs == {
        "members": {f"zookeeper-{ordinal}": f"127.0.0.1:{12181 + ordinal}" for ordinal in range(3)},
        "connect": "127.0.0.1:12181,127.0.0.1:12182,127.0.0.1:12183",
        "internal": "zookeeper-0:2181,zookeeper-1:2181,zookeeper-2:2181",
    }


def test_an_ensemble_registers_its_outputs() -> None:
    run = ensemble("light")
    assert run.registered_outputs == [
        (
            "millrace:index:ZooKeeperEnsemble",
            "ensemble",
            {
                "members": {"zookeeper-0": "127.0.0.1:2181"},
                "connect": "127.0.0.1:2181",
                "internalConnect": "zookeeper-0:2181",
            },
        )
    ]
    assert run.one(NETWORK, "network").parent == "", "shared resources of a target without an owner belong to the stack"
    assert run.one(CONTAINER, "zookeeper-0").parent == "ensemble"


def test_members_wait_for_the_dependencies_of_their_component() -> None:
    def program() -> dict[str, object]:
        first = pulumi.CustomResource("test:index:First", "first")
        args = ZooKeeperEnsembleArgs(target=DockerTarget("own").prepare(), image="own/kafka:1")
        ZooKeeperEnsemble("ensemble", args, pulumi.ResourceOptions(depends_on=[first]))
        return {}

    assert "first" in declared_by(program).one(CONTAINER, "zookeeper-0").dependencies
