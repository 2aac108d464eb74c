"""What a benchmark runs, what it refuses, the limits of its figures, and when its fault is injected.

Source: ops/benchmark/plan.py, ops/benchmark/result.py, ops/benchmark/fault.py.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from ops.app import build
from ops.benchmark.fault import PlannedFault, planned_fault
from ops.benchmark.output import Consumed, Total
from ops.benchmark.plan import Plan
from ops.benchmark.result import Limits, ProducerRun, Result, violations
from ops.benchmark.tools import consumer_tool, end_to_end_tool, producer_tools
from ops.drills.journal import Journal, path_of
from ops.errors import ExitCode, RefusedError
from ops.platform import Platform, is_production, refuse_production

PLAN = Plan(identity="0a1b2c3d")
MIB = 1024**2


def option(command: tuple[str, ...], name: str) -> str:
    return command[command.index(name) + 1]


def platform(stack: str = "staging", target: str = "docker", brokers: int = 3) -> Platform:
    addresses = {f"kafka-{number}": f"127.0.0.1:{9092 + number}" for number in range(brokers)}
    return Platform(stack=stack, name=f"millrace-{stack}", target=target, brokers=addresses, zookeeper={}, redis={})


def total(**changes: Any) -> Total:
    figures: dict[str, Any] = {
        "time": 100.0,
        "records": PLAN.records,
        "rate": 1999.5,
        "megabytes": 1.95,
        "average_ms": 5.0,
        "max_ms": 900.0,
        "p50_ms": 3,
        "p95_ms": 20,
        "p99_ms": 90,
        "p999_ms": 500,
    }
    return Total(**{**figures, **changes})


def result(*totals: Total, **changes: Any) -> Result:
    producers = [ProducerRun(name=f"producer-{number}", windows=(), total=each) for number, each in enumerate(totals)]
    stored = sum(each.records for each in totals)
    return replace(Result(facts={}, producers=producers, stored=stored), **changes)


def test_one_producer_is_asked_for_the_rate_with_acks_all():
    (tool,) = producer_tools(PLAN, "kafka-0:29092,kafka-1:29092")
    assert tool.command[0] == "/opt/kafka/bin/kafka-producer-perf-test.sh"
    assert option(tool.command, "--topic") == "__millrace_bench_0a1b2c3d"
    assert option(tool.command, "--num-records") == "60000"
    assert option(tool.command, "--throughput") == "2000"
    assert option(tool.command, "--record-size") == "1024"
    properties = tool.command[tool.command.index("--producer-props") + 1 :]
    assert {"bootstrap.servers=kafka-0:29092,kafka-1:29092", "acks=all"} <= set(properties)


def test_the_users_settings_come_last_since_the_tool_uses_the_last():
    (tool,) = producer_tools(replace(PLAN, properties=("linger.ms=50",)), "kafka-0:29092")
    assert tool.command[-1] == "linger.ms=50"


@pytest.mark.parametrize("text", ["acks=1", "bootstrap.servers=elsewhere:9092", "linger.ms", "=5", "a=b=c"])
def test_settings_that_change_what_is_measured_are_wrong_usage(text: str):
    done = CliRunner().invoke(build(), ["bench", "--property", text])
    assert done.exit_code == ExitCode.USAGE
    assert text in done.stderr


def test_a_run_with_a_fault_must_be_long_enough_to_hold_it():
    done = CliRunner().invoke(build(), ["bench", "--through", "broker-loss", "--seconds", "10"])
    assert done.exit_code == ExitCode.USAGE
    assert "20 s or more" in done.stderr


def test_an_unknown_fault_is_wrong_usage():
    done = CliRunner().invoke(build(), ["bench", "--through", "flood"])
    assert done.exit_code == ExitCode.USAGE
    assert "none of broker-loss" in done.stderr


def test_producers_share_the_rate_without_losing_a_record():
    tools = producer_tools(replace(PLAN, producers=3, rate=1000, seconds=10), "kafka-0:29092")
    assert [option(tool.command, "--throughput") for tool in tools] == ["334", "333", "333"]
    assert sum(int(option(tool.command, "--num-records")) for tool in tools) == 10_000
    assert len({tool.name for tool in tools}) == 3


def test_without_a_throttle_the_same_records_are_sent_as_fast_as_they_are_taken():
    (tool,) = producer_tools(replace(PLAN, throttled=False), "kafka-0:29092")
    assert option(tool.command, "--throughput") == "-1"
    assert option(tool.command, "--num-records") == "60000"


def test_the_brokers_decide_how_large_a_record_may_be():
    (tool,) = producer_tools(replace(PLAN, size=3 * MIB), "kafka-0:29092")
    largest = next(part for part in tool.command if part.startswith("max.request.size="))
    assert int(largest.partition("=")[2]) > 3 * MIB


def test_records_of_a_stall_fit_into_the_producer_s_buffer_so_that_their_wait_counts():
    assert PLAN.buffer >= PLAN.rate * PLAN.size * 30
    assert PLAN.buffer < PLAN.heap < PLAN.memory


def test_a_high_rate_takes_no_more_memory_than_a_small_machine_has():
    assert replace(PLAN, rate=1_000_000).memory <= 512 * MIB


def test_tools_of_the_consumer_s_side_read_the_same_topic():
    consumer = consumer_tool(PLAN, "kafka-0:29092", 59_000)
    assert option(consumer.command, "--messages") == "59000"
    assert option(consumer.command, "--group") == PLAN.topic, "the group is deleted by this name"
    end_to_end = end_to_end_tool(PLAN, "kafka-0:29092")
    assert end_to_end.command[1:] == (
        "org.apache.kafka.tools.EndToEndLatency",
        "kafka-0:29092",
        PLAN.topic,
        "2000",
        "all",
        "1024",
    )


def test_a_result_within_its_limits_breaks_none():
    assert violations(PLAN, result(total()), Limits(max_p95_ms=200, min_rate=1990)) == []


def test_broken_limits_are_all_reported_with_figures():
    found = violations(PLAN, result(total(p95_ms=3970, rate=1500.0)), Limits(max_p95_ms=200, min_rate=1990))
    assert found == [
        "the 95th percentile is 3970 ms; the limit is 200 ms",
        "the rate is 1500.0 records/s; the minimum is 1990",
    ]


def test_the_slowest_producer_s_percentile_counts_and_rates_add_up():
    both = result(total(records=30_000, rate=1000.0), total(records=30_000, rate=999.0, p95_ms=300))
    assert both.worst.p95_ms == 300
    assert both.rate == 1999.0
    assert violations(PLAN, both, Limits(max_p95_ms=299)) == ["the 95th percentile is 300 ms; the limit is 299 ms"]


@pytest.mark.parametrize(
    ("records", "stored", "violation"),
    [
        (59_999, 59_999, "1 of 60000 records were not acknowledged"),
        (60_000, 59_990, "10 acknowledged records are not in the topic"),
        (60_000, 60_003, "the topic has 60003 records, 3 more than were sent"),
    ],
)
def test_lost_or_duplicated_records_always_break_a_limit(records: int, stored: int, violation: str):
    assert violations(PLAN, result(total(records=records), stored=stored), Limits()) == [violation]


def test_a_consumer_that_reads_too_little_breaks_a_limit():
    read = Consumed(records=59_000, rate=1.0, megabytes=1.0, rebalance_ms=1, fetch_ms=1, fetch_rate=1.0)
    assert violations(PLAN, result(total(), consumed=read), Limits()) == ["the consumer read 59000 of 60000 records"]


@pytest.mark.parametrize("stack", ["prod", "eu-prod", "PRODUCTION", "shop.live", "live_2"])
def test_production_is_recognized_by_a_word_of_its_name(stack: str):
    with pytest.raises(RefusedError, match=f"--yes-on {stack}"):
        refuse_production(platform(stack), None)
    refuse_production(platform(stack), stack)


@pytest.mark.parametrize("stack", ["dev", "staging", "product", "delivery", "olive"])
def test_other_stacks_on_docker_are_not_production(stack: str):
    assert not is_production(platform(stack))
    refuse_production(platform(stack), None)


def test_a_platform_on_kubernetes_is_production_whatever_its_name():
    with pytest.raises(RefusedError, match="runs on Kubernetes"):
        refuse_production(platform("dev", target="kubernetes"), None)
    refuse_production(platform("dev", target="kubernetes"), "dev")


def test_naming_a_different_stack_is_refused():
    with pytest.raises(RefusedError, match="names stack prod, but the command is for stack dev"):
        refuse_production(platform("dev"), "prod")


class Recorded:
    """A fault that records the calls of its methods."""

    def __init__(self, *, fails: bool = False) -> None:
        self.asked: list[str] = []
        self._fails = fails

    def describe(self) -> str:
        return "kafka-1 is killed"

    def obstacles(self) -> list[str]:
        return []

    def inject(self) -> None:
        self.asked.append("inject")
        if self._fails:
            raise RefusedError("the engine is gone")

    def heal(self) -> None:
        self.asked.append("heal")


@pytest.fixture
def fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PlannedFault:
    (tmp_path / "Pulumi.yaml").write_text("name: millrace\n")
    monkeypatch.chdir(tmp_path)
    entry = Journal(stack="staging", drill="bench", broken=[("loss", "kafka-1")])
    return PlannedFault(Recorded(), 100, entry, clock=lambda: 5.0)


def test_a_fault_is_injected_and_healed_in_the_middle_of_the_run(fault: PlannedFault):
    seen = {elapsed: (fault.at(elapsed), list(fault.fault.asked))[1] for elapsed in (39.9, 40.0, 59.9, 60.0, 99.0)}
    assert seen == {39.9: [], 40.0: ["inject"], 59.9: ["inject"], 60.0: ["inject", "heal"], 99.0: ["inject", "heal"]}
    assert [event.text for event in fault.events] == ["kafka-1 is killed", "healed"]


def test_the_journal_lists_a_fault_until_it_is_healed(fault: PlannedFault):
    fault.at(40)
    assert path_of("staging").exists()
    fault.end()
    assert not path_of("staging").exists()


def test_a_run_that_ends_early_heals_its_fault_once(fault: PlannedFault):
    fault.end()
    assert fault.fault.asked == [], "nothing was broken yet"
    fault.at(50)
    fault.end()
    fault.end()
    assert fault.fault.asked == ["inject", "heal"]


def test_a_fault_whose_injection_failed_is_healed_too(fault: PlannedFault):
    fault.fault = Recorded(fails=True)
    with pytest.raises(RefusedError):
        fault.at(50)
    fault.end()
    assert fault.fault.asked == ["inject", "heal"]


def test_a_platform_that_cannot_lose_a_broker_is_refused():
    with pytest.raises(RefusedError, match="cannot lose a broker"):
        planned_fault(platform(brokers=1), replace(PLAN, through="broker-loss"), None)


def test_a_broker_that_does_not_exist_is_refused_with_those_that_do():
    with pytest.raises(RefusedError, match="there is no broker kafka-7; there are kafka-0, kafka-1, kafka-2"):
        planned_fault(platform(), replace(PLAN, through="broker-loss"), "kafka-7")


def test_tools_find_their_login_in_a_file():
    (producer,) = producer_tools(PLAN, "kafka-0:29092", "/tmp/login")  # noqa: S108
    assert option(producer.command, "--producer.config") == "/tmp/login"  # noqa: S108
    assert option(consumer_tool(PLAN, "kafka-0:29092", 5, "/tmp/login").command, "--consumer.config") == "/tmp/login"  # noqa: S108
    assert end_to_end_tool(PLAN, "kafka-0:29092", "/tmp/login").command[-1] == "/tmp/login"  # noqa: S108
    tools = [*producer_tools(PLAN, "a:1"), consumer_tool(PLAN, "a:1", 5), end_to_end_tool(PLAN, "a:1")]
    assert not any("config" in part for tool in tools for part in tool.command), "brokers that ask for nothing"
