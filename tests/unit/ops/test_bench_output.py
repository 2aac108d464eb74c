"""The tools' output, as 3.9.2 printed it on a staging platform, and as other versions format it.

Source: ops/benchmark/output.py.
Proof limit: 4.x's formats are taken from its source, not from a run.
"""

import pytest

from ops.benchmark.output import (
    Line,
    Total,
    Transcript,
    Window,
    consumer_result,
    end_to_end_result,
    producer_line,
    stamped,
)

WINDOW = "10706 records sent, 2129.2 records/sec (2.08 MB/sec), 335.7 ms avg latency, 1182.0 ms max latency."
TOTAL = (
    "240000 records sent, 1997.852309 records/sec (1.95 MB/sec), 556.40 ms avg latency, 9058.00 ms max latency, "
    "120 ms 50th, 3970 ms 95th, 7629 ms 99th, 8885 ms 99.9th."
)
NONE_TAKEN = (
    "0 records sent, 0.000000 records/sec (0.00 MB/sec), NaN ms avg latency, 0.00 ms max latency, "
    "0 ms 50th, 0 ms 95th, 0 ms 99th, 0 ms 99.9th."
)
TOO_LARGE = (
    "org.apache.kafka.common.errors.RecordTooLargeException: The request included a message larger than the max "
    "message size the server will accept."
)
CONSUMER = [
    "start.time, end.time, data.consumed.in.MB, MB.sec, data.consumed.in.nMsg, nMsg.sec, rebalance.time.ms, "
    "fetch.time.ms, fetch.MB.sec, fetch.nMsg.sec",
    "2026-11-21 10:42:37:393, 2026-11-21 10:42:49:597, 19.5313, 1.6004, 20000, 1638.8069, 11773, 431, 45.3161, "
    "46403.7123",
]
GAVE_UP = [
    CONSUMER[0],
    "WARNING: Exiting before consuming the expected number of messages: timeout (3000 ms) exceeded. You can use the "
    "--timeout option to increase the timeout.",
    "2026-11-21 10:42:52:724, 2026-11-21 10:42:55:763, 0.0000, 0.0000, 0, 0.0000, 0, 3039, 0.0000, 0.0000",
]
END_TO_END = [
    "0\t192.498149",
    "1000\t33.261404999999996",
    "Avg latency: 24.4900 ms",
    "Percentiles: 50th = 10, 99th = 258, 99.9th = 402",
]


def fed(*texts: str) -> Transcript:
    transcript = Transcript("producer-0")
    for number, text in enumerate(texts):
        transcript.feed(Line(time=float(number), text=text))
    return transcript


def test_a_periodic_line_is_read_with_the_time_it_was_printed():
    window = producer_line(Line(time=7.5, text=WINDOW))
    assert window == Window(time=7.5, records=10706, rate=2129.2, megabytes=2.08, average_ms=335.7, max_ms=1182.0)


def test_the_last_line_has_the_percentiles_of_the_whole_run():
    total = producer_line(Line(time=1.0, text=TOTAL))
    assert isinstance(total, Total)
    assert (total.records, total.rate, total.average_ms, total.max_ms) == (240000, 1997.852309, 556.4, 9058.0)
    assert (total.p50_ms, total.p95_ms, total.p99_ms, total.p999_ms) == (120, 3970, 7629, 8885)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(TOTAL.replace("1997.852309", "1997.9"), id="fewer decimals"),
        pytest.param(TOTAL.removesuffix("."), id="no full stop"),
        pytest.param(TOTAL.replace("1997.852309", "1.997852309E3"), id="exponent"),
    ],
)
def test_formats_of_other_releases_are_read(text: str):
    total = producer_line(Line(time=1.0, text=text))
    assert isinstance(total, Total)
    assert total.p95_ms == 3970


def test_the_steady_state_of_later_releases_does_not_replace_the_whole_run():
    steady = TOTAL.replace("240000 records sent", "230000 steady state records sent").replace("3970", "90")
    transcript = fed("Warmup first 10000 records.", WINDOW, "In steady state.", TOTAL, steady)
    assert transcript.total
    assert transcript.total.p95_ms == 3970, "the first records count too"
    assert len(transcript.windows) == 1


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[2026-11-21 10:48:40,127] WARN [Producer clientId=perf-producer-client] Connection to node 1 "
        "(kafka-1/172.18.0.5:29092) could not be established. "
        "Node may not be available. (org.apache.kafka.clients.NetworkClient)",
        "10706 records sent, 2129.2 records/sec (2.08 MB/s",
    ],
)
def test_lines_without_figures_are_ignored(text: str):
    transcript = fed(text)
    assert not transcript.windows
    assert transcript.total is None
    assert not transcript.failed


def test_records_that_failed_are_counted_by_their_reason():
    transcript = fed(
        TOO_LARGE, TOO_LARGE, "java.lang.OutOfMemoryError", "\tat java.base/java.lang.Thread.run", NONE_TAKEN
    )
    assert transcript.failed == 3
    error = transcript.error("producer-0: no record was accepted")
    assert error.problems[0].startswith("RecordTooLargeException: The request included a message larger")
    assert error.problems[0].endswith("(2 times)")
    assert "OutOfMemoryError" in error.problems
    assert NONE_TAKEN in error.problems[-1], "the tool's own last line"


def test_a_tool_that_prints_a_trace_for_each_record_uses_bounded_memory():
    transcript = fed(*[TOO_LARGE] * 1000)
    assert transcript.failed == 1000
    assert len(transcript.last) == 12


def test_a_line_has_the_engine_s_timestamp():
    line = stamped(f"2026-11-21T10:42:37.393123456Z {WINDOW}\n")
    assert line.text == WINDOW
    assert line.time == pytest.approx(1795257757.393123, abs=1e-5)


def test_a_line_without_a_timestamp_is_an_error():
    with pytest.raises(ValueError, match="without a timestamp"):
        stamped(WINDOW)


def test_the_consumer_s_columns_are_found_by_their_headings():
    consumed = consumer_result(CONSUMER)
    assert consumed
    assert (consumed.records, consumed.rate, consumed.rebalance_ms, consumed.fetch_ms) == (20000, 1638.8069, 11773, 431)
    assert consumed.fetch_rate == 46403.7123
    assert consumer_result([f"{line}, more" for line in CONSUMER]) == consumed, "a release may add a column"


def test_a_consumer_that_gave_up_reports_what_it_read():
    consumed = consumer_result(GAVE_UP)
    assert consumed
    assert consumed.records == 0


def test_a_consumer_that_died_has_no_figures():
    assert consumer_result(["start.time, end.time", "org.apache.kafka.common.errors.TimeoutException: no"]) is None


def test_the_time_from_end_to_end_is_read_from_its_two_lines():
    found = end_to_end_result(END_TO_END)
    assert found
    assert (found.average_ms, found.p50_ms, found.p99_ms, found.p999_ms) == (24.49, 10, 258, 402)
    assert end_to_end_result(END_TO_END[:3]) is None, "it died before its last line"
