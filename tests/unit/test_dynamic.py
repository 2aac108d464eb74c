"""How the state refers to dynamic providers, and how their errors are shown.

Source: components/dynamic.py.
Proof limit: the engine's calls are imitated.
"""

import base64
import os
import pickletools
import socket
import sys
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor
from importlib.machinery import ModuleSpec

import dill
import pytest
from pulumi.dynamic import ResourceProvider
from pulumi.dynamic.dynamic import serialize_provider

from components.credentials.provider import CredentialsProvider
from components.dynamic import engine_is_gone, failures, in_order, is_known, plain_errors, progress
from components.errors import PlatformError, TopicError, UnhealthyError
from components.health.provider import HealthGateProvider
from components.monitoring.provider import MonitorGateProvider
from components.targets.docker.provider import MemberGateProvider
from components.targets.kubernetes.provider import GatedRollProvider, MemberStorageProvider
from components.topics.provider import TopicSetProvider
from tests.unit.dynamic import shown, unknown


@pytest.mark.parametrize(
    ("provider", "module", "name"),
    [
        (TopicSetProvider(), "components.topics.provider", "TopicSetProvider"),
        (CredentialsProvider(), "components.credentials.provider", "CredentialsProvider"),
        (HealthGateProvider(), "components.health.provider", "HealthGateProvider"),
        (MonitorGateProvider(), "components.monitoring.provider", "MonitorGateProvider"),
        (MemberGateProvider(), "components.targets.docker.provider", "MemberGateProvider"),
        (GatedRollProvider(), "components.targets.kubernetes.provider", "GatedRollProvider"),
        (MemberStorageProvider(), "components.targets.kubernetes.provider", "MemberStorageProvider"),
    ],
)
def test_the_state_refers_to_a_provider_by_a_stable_module_and_name(
    provider: ResourceProvider, module: str, name: str
) -> None:
    stored = base64.b64decode(serialize_provider(provider))
    assert len(stored) < 200, "a reference, not the provider's code"
    words = [value for _, value, _ in pickletools.genops(stored) if isinstance(value, str)]
    assert words == [module, name], "moving or renaming breaks destroy of every stack that is up"
    assert type(dill.loads(stored)) is type(provider)  # noqa: S301  created four lines above


@plain_errors
def refuses() -> None:
    raise TopicError("2 topics are refused", ["a: because", "b: because\nof this"])


@plain_errors
def breaks() -> None:
    {}["a key that is not there"]


def test_a_user_error_is_shown_as_text_only() -> None:
    assert shown(refuses) == ("Error: 2 topics are refused\n  - a: because\n  - b: because\n    of this\n")


@pytest.mark.parametrize("kind", [PlatformError, TopicError, UnhealthyError])
def test_every_kind_of_user_error_is_shown_as_text_only(kind: type[PlatformError]) -> None:
    @plain_errors
    def fails() -> None:
        try:
            raise OSError("the cause")
        except OSError as error:
            raise kind("a headline") from error

    assert shown(fails) == "Error: a headline\n", "no cause and no module path"


def test_any_other_error_keeps_its_traceback() -> None:
    text = shown(breaks)
    assert text.startswith("Error: this is a mistake in the program:\nTraceback (most recent call last):\n")
    assert "in breaks\n" in text, "the location of the mistake in the program"
    assert text.rstrip().endswith("KeyError: 'a key that is not there'")


def test_any_other_error_keeps_its_traceback_after_a_user_error() -> None:
    shown(refuses)
    assert "in breaks\n" in shown(breaks), "one process serves all resources of an update"


def test_threads_do_not_change_each_others_errors() -> None:
    """Four threads serve an update: one raises while the SDK formats another's error."""
    both = threading.Barrier(2, timeout=10)

    @plain_errors
    def refuses_late() -> None:
        both.wait()
        raise TopicError("a topic is refused")

    @plain_errors
    def breaks_late() -> None:
        both.wait()
        {}["a key that is not there"]

    with ThreadPoolExecutor(2) as pool:
        for _ in range(200):
            refused, broken = pool.map(shown, (refuses_late, breaks_late))
            assert refused == "Error: a topic is refused\n"
            assert "in breaks_late\n" in broken


def test_a_call_that_begins_leaves_the_errors_of_other_threads_plain() -> None:
    """The order that once showed a traceback: raised, another call begins, formatted."""
    begun: list[str] = []

    @plain_errors
    def begins() -> None:
        begun.append("begun")

    try:
        refuses()
    except Exception:  # noqa: BLE001  the SDK catches all exceptions too
        begins()
        assert traceback.format_exc().startswith("Error: 2 topics are refused\n")
    assert begun


def test_a_method_that_does_not_raise_keeps_its_result_and_name() -> None:
    @plain_errors
    def double(number: int, *, plus: int = 0) -> int:
        """Twice the number."""
        return 2 * number + plus

    assert double(4, plus=1) == 9
    assert (double.__name__, double.__doc__) == ("double", "Twice the number.")


@pytest.mark.parametrize(
    ("value", "known"),
    [
        (None, True),
        ("text", True),
        ("", True),
        (0, True),
        (3.0, True),
        (False, True),
        ({}, True),
        ([], True),
        ({"a": [1, {"b": None}]}, True),
        (unknown(), False),
        ([1, unknown()], False),
        ({"a": {"b": [{"c": unknown()}]}}, False),
    ],
)
def test_a_value_is_known_if_no_part_of_it_is_unknown(value: object, known: bool) -> None:
    assert is_known(value) is known


def test_each_problem_is_a_separate_failure() -> None:
    made = failures(["one", "two"])
    assert [(failure.property, failure.reason) for failure in made] == [("", "one"), ("", "two")]


def test_members_are_ordered_by_name() -> None:
    assert list(in_order({"b": "2", "c": "3", "a": "1"}).items()) == [("a", "1"), ("b", "2"), ("c", "3")]


def test_progress_goes_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    progress("waiting for Kafka")
    assert capsys.readouterr() == ("", "waiting for Kafka\n")


# ------------------------------------------------------------------------------------------------------ a killed engine


def hosted(monkeypatch: pytest.MonkeyPatch, engine: str) -> None:
    """This process is the host that the engine started."""
    spec = ModuleSpec("pulumi.dynamic.__main__", None)
    monkeypatch.setattr(sys.modules["__main__"], "__spec__", spec, raising=False)
    monkeypatch.setattr(sys, "argv", ["host", engine])


def test_the_engine_is_there_while_something_listens_at_its_address(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        hosted(monkeypatch, f"127.0.0.1:{server.getsockname()[1]}")
        assert not engine_is_gone()
    assert engine_is_gone()


def test_the_engine_is_gone_with_the_parent(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not engine_is_gone()
    monkeypatch.setattr(os, "getppid", lambda: 1)
    assert engine_is_gone()


def test_an_engine_that_cannot_be_asked_is_not_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    def times_out(address: tuple[str, int], timeout: float) -> socket.socket:
        raise TimeoutError

    hosted(monkeypatch, "127.0.0.1:1")
    monkeypatch.setattr(socket, "create_connection", times_out)
    assert not engine_is_gone()
