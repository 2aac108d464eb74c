"""Random and odd stack files from the settings' models, and what must hold for each of them.

Usage: python -m tests.unit.stack_file.fuzz CASES
It runs as a process of its own, so that its memory and time can be measured; the last line shows both. The time is that
of the checks: how long Hypothesis takes to invent stack files says nothing about the project.
"""

import pathlib
import resource
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import Any, Literal, get_args, get_origin

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ByteSize, SecretStr
from pydantic.fields import FieldInfo

from components.errors import SettingsError
from components.limits import MAX_BROKERS
from components.outside import Outside
from components.platform import workloads_of
from components.report import MOST_PROBLEMS
from components.stack_file.images import Images
from components.stack_file.settings import Settings, load_settings
from components.targets.base import Addressing
from components.targets.docker.target import DockerTarget
from components.targets.kubernetes.addresses import ClusterOptions
from components.targets.kubernetes.target import KubernetesTarget
from tests.unit.mocks import FakeEngine

SECRET = "hunter2"
LONGEST_PROBLEM = 3000
"""Characters of one problem: a line is cut, but not the list of the keys that are allowed."""

CPU_SECONDS = 2.0
"""Processor seconds for one stack file; about a thousand times the usual."""

IMAGES = Images("test", "a test", zookeeper="z", kafka="k", redis="r", exporter="e", prometheus="p", grafana="g")

Path = tuple[str, ...]


# Values


def _fields(model: type[BaseModel], above: Path = ()) -> Iterator[tuple[Path, FieldInfo | None]]:
    """Path of every section and every field of a stack file; a section has no field."""
    for name, field in model.model_fields.items():
        path = (*above, field.alias or name)
        kinds = (field.annotation, *get_args(field.annotation))
        section = next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)), None)
        if section is not None:
            yield path, None
            yield from _fields(section, path)
        else:
            yield path, field


FIELDS = dict(_fields(Settings))


def _valid(annotation: Any) -> list[Any]:
    """Values of a type, most of which its field accepts."""
    if annotation is type(None):
        return [None]
    if get_origin(annotation) is Literal:
        return list(get_args(annotation))
    if get_origin(annotation) is list:
        items = _valid(get_args(annotation)[0])
        return [[], items[:1], items[:3]]
    if get_origin(annotation) is dict:
        return [{}, {"some.key": 1}, {"retention.ms": 5, "other": "x" * 99}, {"hz": True}]
    if get_args(annotation):  # a union, or annotated
        parts = get_args(annotation) if get_origin(annotation) is not None else ()
        return [value for part in parts if isinstance(part, type) or get_origin(part) for value in _valid(part)]
    return {
        bool: [True, False, "true"],
        int: [1, 2, 3, "5", 5.0, 100, 1024, 30_000, MAX_BROKERS, 65535],
        ByteSize: ["1MiB", "64MiB", "512MiB", "1GiB", "5.5GiB", "1TiB", 2**30],
        timedelta: ["1s", "30s", "2m", "1d", 6000, "36500d", "0s"],
        str: ["a", "a.example:9093", "127.0.0.1", "0.0.0.0", "1", "500m", "60 1000", "k-{ordinal}.example"],
        SecretStr: [SECRET, SECRET * 200],
    }.get(annotation, [])


VALID: Mapping[Path, list[Any]] = {
    path: found for path, field in FIELDS.items() if field is not None and (found := _valid(field.annotation))
}

ODD: list[Any] = [
    None, True, False, 0, -1, -0.0, 0.5, 10**9, 10**30, -(10**30), 10**4000, 2**31, 2**63, 1e300, 1e-300,
    float("inf"), float("-inf"), float("nan"), "", " ", "\n", "\0", "\x1b[2J", "\ud800", "\u202e", "\U0001f40d",
    "\uff11", "\u0663", "a" * 300, "9" * 5000, "9" * 100_000, "x" * 200_000, "1e400", "1e3", "-1", "0x10", "1_000",
    "1GiB junk", "$(ORDINAL)", "`id`", "{ordinal}", "${HOME}", "'\"\\", "NaN", "null", "{}", [], {}, [[]], [None],
    "a:" + "9" * 5000, [1, "a", {}], {"a": None}, {"": ""}, {"a.b": {"c": [1]}}, {"password": SECRET}, [0] * 20_000,
    {str(n): None for n in range(500)}, [{"name": "a"}] * 300, {"\ud800": 1}, {"k" * 5000: 1}, {1: 2},
    [{"name": 3, "zzz": []}], {"name": "__a"},
]  # fmt: skip

_scalar = st.one_of(
    st.sampled_from(range(len(ODD))).map(lambda number: ODD[number]),  # by number: some are too long to print
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.text("0123456789.KMGTibmshdn -+e_", max_size=12),
)
_junk = st.recursive(
    _scalar,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=8), inner, max_size=4)),
    max_leaves=6,
)
_paths = st.sampled_from(sorted(FIELDS))
_fitting = st.sampled_from(sorted(VALID)).flatmap(lambda path: st.tuples(st.just(path), st.sampled_from(VALID[path])))
_unfitting = st.tuples(_paths, _scalar)
_misplaced = st.tuples(
    st.builds(lambda path, key: (*path[:-1], key), _paths, st.text(max_size=8)),
    st.one_of(st.just(SECRET), _scalar),
)
_anywhere = st.tuples(_paths, _junk)
_base = st.fixed_dictionaries(
    {},
    optional={
        "profile": st.sampled_from(["light", "ha", "production"]),
        "target": st.sampled_from(["docker", "kubernetes"]),
        "monitor": st.sampled_from([{"enabled": True, "prometheus": {"enabled": True}}, {"enabled": True}]),
        "topics": st.sampled_from([[{"name": "a"}], [{"name": "a.b", "partitions": 9, "retention": "1d"}]]),
    },
)


def _with(base: dict[str, Any], values: list[tuple[Path, Any]]) -> dict[str, Any]:
    """The stack file with these values; what is not a section is replaced by one."""
    declared: dict[str, Any] = dict(base)
    if declared.get("target") == "kubernetes":
        declared["kubernetes"] = {"context": "test"}
    for path, value in values:
        here = declared
        for part in path[:-1]:
            there = here.get(part)
            if part == "topics":
                there = (
                    dict(there[0])
                    if isinstance(there, list) and there and isinstance(there[0], dict)
                    else {"name": "t"}
                )
                here[part] = [there]
            else:
                here[part] = there = dict(there) if isinstance(there, Mapping) else {}
            here = there
        here[path[-1]] = value
    return declared


def _files(values: st.SearchStrategy[tuple[Path, Any]], most: int) -> st.SearchStrategy[dict[str, Any]]:
    return st.builds(_with, _base, st.lists(values, min_size=1, max_size=most))


KINDS: Mapping[str, tuple[int, st.SearchStrategy[dict[str, Any]]]] = {
    "valid values": (30, _files(_fitting, 5)),
    "one wrong value among valid ones": (
        25,
        st.builds(lambda file, wrong: _with(file, [wrong]), _files(_fitting, 4), _unfitting),
    ),
    "wrong values": (25, _files(_unfitting, 8)),
    "unknown keys": (10, _files(st.one_of(_misplaced, _fitting), 5)),
    "nested junk": (10, _files(_anywhere, 4)),
}
"""Share of each kind of stack file in percent, and how they are made."""


# What must hold


class Tally:
    """How many stack files were accepted and rejected, and the processor seconds of all checks and of the slowest."""

    accepted = rejected = 0
    seconds = slowest = 0.0


def targets(checked: Settings) -> list[Addressing]:
    """Both targets, whichever the stack file names; neither asks an engine or a cluster."""
    return [
        DockerTarget("fuzz", checked.bind_address, FakeEngine()),
        KubernetesTarget("fuzz", ClusterOptions(context="test", namespace="fuzz")),
    ]


def check_message(error: SettingsError) -> None:
    """The message is bounded, can be printed anywhere, and repeats no secret and no error of Python."""
    message = str(error)
    message.encode()
    assert 1 <= len(error.problems) <= MOST_PROBLEMS + 1, len(error.problems)
    assert max(map(len, error.problems)) <= LONGEST_PROBLEM, max(error.problems, key=len)
    assert "Traceback" not in message, message
    assert "set_int_max_str_digits" not in message, message
    assert SECRET not in message, message


def check(declared: dict[str, Any], secret_keys: tuple[str, ...]) -> None:
    """A stack file is either accepted, and can be run, or is rejected with a bounded list of readable mistakes."""
    start = time.thread_time()
    try:
        checked = load_settings(declared, source="Pulumi.fuzz.yaml", secret_keys=secret_keys)
    except SettingsError as error:
        Tally.rejected += 1
        check_message(error)
    else:
        Tally.accepted += 1
        for target in targets(checked):
            for workload in workloads_of(checked, IMAGES, target, "fuzz"):
                assert 1 <= len(workload.members) <= MAX_BROKERS
                assert all(isinstance(outside, Outside) for outside in workload.exposed.values())
    spent = time.thread_time() - start
    Tally.seconds += spent
    Tally.slowest = max(Tally.slowest, spent)
    assert spent < CPU_SECONDS, f"{spent:.1f} s"


def odd_in_every_place() -> None:
    """Check every odd value as every section and field, and inside every list and mapping."""
    for path, field in FIELDS.items():
        kind = None if field is None else get_origin(field.annotation)
        for value in ODD:
            check(_with({}, [(path, value)]), ("redis", "monitor"))
            if kind is list:
                check(_with({}, [(path, [value])]), ())
            if kind is dict:
                check(_with({}, [(path, {"a": value})]), ())
                check(_with({}, [(path, {"retention.ms": value, "min.cleanable.dirty.ratio": value})]), ())


def property_of(strategy: st.SearchStrategy[dict[str, Any]], cases: int) -> Callable[[], None]:
    """A test of this many stack files."""

    @settings(
        max_examples=cases,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(declared=strategy, secret_keys=st.sampled_from([(), ("redis", "monitor"), ("redis", "monitor", "topics")]))
    def run(declared: dict[str, Any], secret_keys: tuple[str, ...]) -> None:
        check(declared, secret_keys)

    return run


def most_memory() -> float:
    """The largest resident memory of this process in MiB, so far."""
    status = pathlib.Path("/proc/self/status")
    if status.exists():  # Linux keeps the maximum of getrusage from the process that started this one
        kib = int(next(line for line in status.read_text().splitlines() if line.startswith("VmHWM")).split()[1])
        return kib / 1024
    per_mib = 1024**2 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / per_mib


def main(cases: int) -> None:
    """Check this many random stack files of all kinds, after every odd value in every place."""
    started = most_memory()
    odd_in_every_place()
    for share, strategy in KINDS.values():
        property_of(strategy, max(1, cases * share // 100))()
    sys.stdout.write(
        f"accepted={Tally.accepted} rejected={Tally.rejected} slowest={Tally.slowest:.3f} "
        f"seconds={Tally.seconds:.1f} started={started:.0f} most={most_memory():.0f}\n"
    )


if __name__ == "__main__":
    main(int(sys.argv[1]))
