"""Inputs that may be outputs of other resources."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TypeVar, cast

import pulumi

T = TypeVar("T")
V = TypeVar("V")


def lift(function: Callable[[list[V]], T], values: Sequence[pulumi.Input[V]]) -> pulumi.Input[T]:
    """Call a function of plain values.

    Plain values stay plain, so that a preview knows the result; if one of them is an output, the result is an output.

    Args:
        function: Called once with all values, in order.
        values: Plain values, or outputs of other resources.
    """
    if any(isinstance(value, pulumi.Output | Awaitable) for value in values):
        return pulumi.Output.all(*values).apply(function)
    return function(cast("list[V]", list(values)))


def joined(values: Sequence[pulumi.Input[str]]) -> pulumi.Input[str]:
    """The texts joined with commas."""
    return lift(",".join, values)


def secret_of(values: Mapping[str, pulumi.Input[T]]) -> pulumi.Output[dict[str, T]]:
    """The values as one secret."""
    # Output.all() of nothing is an empty list.
    return pulumi.Output.secret(pulumi.Output.all(**values) if values else dict[str, T]())
