"""Values that may be outputs of other resources.

Source: components/inputs.py.
"""

from collections.abc import Awaitable, Sequence
from typing import Any

import pulumi
import pytest

from components.inputs import joined, lift
from tests.unit.mocks import RecordingMocks, RecordingMonitor, run_program


def later(value: object) -> pulumi.Output[Any]:
    return pulumi.Output.from_input(value)


async def soon(value: str) -> str:
    return value


def resolved(make: Any) -> object:
    """The value of an output after the program has run."""
    seen: list[object] = []

    async def look(output: pulumi.Output[Any]) -> None:
        seen.append(await output.future())

    def program() -> Awaitable[None]:
        output = make()
        assert isinstance(output, pulumi.Output)
        return look(output)

    run_program(program, RecordingMonitor(RecordingMocks()))
    return seen[0]


@pytest.mark.parametrize("values", [[], ["a"], ["a", "b", "a"], ("a", "b")])
def test_plain_values_give_a_plain_result_at_once(values: Sequence[str]) -> None:
    calls: list[list[str]] = []

    def count(known: list[str]) -> int:
        calls.append(known)
        return len(known)

    assert lift(count, values) == len(values)
    assert calls == [list(values)], "called once, with a list"


@pytest.mark.parametrize("position", [0, 1, 2])
def test_an_output_among_the_values_makes_the_result_an_output(position: int) -> None:
    def make() -> object:
        values: list[pulumi.Input[str]] = ["a", "b", "c"]
        values[position] = later(values[position])
        return lift("".join, values)

    assert resolved(make) == "abc", "in order"


def test_an_awaitable_counts_as_an_output() -> None:
    assert resolved(lambda: lift("".join, ["a", soon("b")])) == "ab"


def test_a_secret_among_the_values_makes_the_result_secret() -> None:
    seen: list[bool] = []

    async def look(output: Any) -> None:
        seen.append(await output.is_secret())

    def program() -> Awaitable[None]:
        return look(lift("".join, ["a", pulumi.Output.secret("b")]))

    run_program(program, RecordingMonitor(RecordingMocks()))
    assert seen == [True]


def test_strings_are_joined_by_commas() -> None:
    assert joined(["a:1", "b:2"]) == "a:1,b:2"
    assert joined([]) == ""
    assert resolved(lambda: joined([later("a:1"), "b:2"])) == "a:1,b:2"
