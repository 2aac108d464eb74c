"""An ensemble that grows and shrinks on a real engine, under load.

Source: components/zookeeper/safety.py, components/zookeeper/files.py.
"""

import json
import time
from collections.abc import Iterator

import docker
import pytest

from components.zookeeper.client import member_states, role_findings, voters
from tests.integration.ensembles import Ensemble, Load, addresses, kill_resize, tree
from tests.integration.stacks import eventually, left_on_engine, ports_of, running_members, standing

PORT = ports_of("bad").zookeeper + 400


@pytest.fixture(scope="module")
def ensemble(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ensemble]:
    """An ensemble of one member, up and healthy."""
    stack = Ensemble(tmp_path_factory.mktemp("ensemble") / "project", "ensemble", port=PORT)
    with standing(stack):
        yield stack
    assert left_on_engine(stack.platform) == []


def test_it_grows_and_shrinks_under_load_and_keeps_every_node(ensemble: Ensemble) -> None:
    first = docker.from_env().containers.get(f"{ensemble.platform}-zookeeper-0").id
    with Load(addresses(ensemble)) as load:
        kill_resize(ensemble, 3)
        for members in (3, 5, 3, 1, 3):
            ensemble.resize(members)
            assert sorted(voters(addresses(ensemble)[:1])) == list(range(1, members + 1))
            assert role_findings(ensemble.addresses(), {}) == [], "one leader, and all others its followers"
            load.goes_on()
    assert load.acknowledged <= tree(addresses(ensemble)[:1]).keys(), "every acknowledged node is still there"
    trees = [tree([address]) for address in addresses(ensemble)]
    assert trees == trees[:1] * 3, "members that came back with old data copied what they missed"
    assert docker.from_env().containers.get(f"{ensemble.platform}-zookeeper-0").id == first, "it never restarted"


def test_the_password_of_the_ensemble_is_nowhere_in_plain_text(ensemble: Ensemble) -> None:
    ensemble.up("--refresh")
    password = ensemble.password()
    assert len(password) >= 20
    assert password not in ensemble.state()
    container = docker.from_env().containers.get(f"{ensemble.platform}-zookeeper-0")
    assert password not in json.dumps(container.attrs)
    assert container.exec_run(["grep", "-rqF", password, "/etc/millrace", "/var/lib/kafka/data"]).exit_code == 1
    assert password.encode() not in container.logs()


def test_a_member_without_data_has_no_vote_while_the_others_are_no_quorum(ensemble: Ensemble) -> None:
    engine, before = docker.from_env().containers, tree(addresses(ensemble)[:1])
    _, lost, away = (engine.get(f"{ensemble.platform}-zookeeper-{ordinal}") for ordinal in range(3))
    away.stop(timeout=1)
    assert lost.exec_run(["bash", "-c", "rm -rf /var/lib/kafka/data/zookeeper-1/*"]).exit_code == 0
    lost.kill()
    lost.start()
    time.sleep(8)
    states = member_states(ensemble.addresses())
    assert [state.mode for state in states.values()] == [None] * 3, "the only copy of some data may be on the third"
    away.start()
    eventually(lambda: None not in [item.mode for item in member_states(ensemble.addresses()).values()], 30)
    assert tree(addresses(ensemble)[1:2]) == before


def test_a_killed_change_of_the_size_may_be_taken_back(ensemble: Ensemble) -> None:
    before = tree(addresses(ensemble)[:1])
    kill_resize(ensemble, 5)
    ensemble.resize(3, "--refresh")
    assert running_members(ensemble.platform) == ["zookeeper-0", "zookeeper-1", "zookeeper-2"]
    assert sorted(voters(addresses(ensemble)[:1])) == [1, 2, 3]
    kill_resize(ensemble, 1)
    ensemble.resize(3, "--refresh")
    assert sorted(voters(addresses(ensemble)[:1])) == [1, 2, 3]
    assert tree(addresses(ensemble)[:1]) == before
