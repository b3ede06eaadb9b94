"""The load generator: it ends when it should, and its figures are right."""

import threading
import time

import grpc
import pytest

from serving.client.errors import CallError
from serving.client.loading import Measured, Plan, run_load


def test_a_count_is_sent_exactly():
    sent = []
    measured = run_load(lambda: sent.append(1), Plan(concurrency=5, count=37))
    assert len(sent) == len(measured.latencies) == 37


def test_a_duration_bounds_it():
    start = time.monotonic()
    measured = run_load(lambda: time.sleep(0.01), Plan(concurrency=3, seconds=0.3))
    assert 0.3 <= measured.seconds <= time.monotonic() - start < 2
    assert 3 < len(measured.latencies) < 95
    assert min(measured.latencies) >= 0.01


def test_a_rate_spaces_requests_evenly():
    times = []
    run_load(lambda: times.append(time.monotonic()), Plan(concurrency=2, count=11, rate=50))
    # Ten steps of 20 ms; a busy machine may be late, never early.
    assert 0.18 < times[-1] - times[0] < 1


def test_a_rate_ends_with_the_duration():
    start = time.monotonic()
    measured = run_load(lambda: None, Plan(concurrency=8, seconds=0.25, rate=10))
    # Due at 0, 0.1 and 0.2 s.
    assert len(measured.latencies) == 3
    assert time.monotonic() - start < 2


def test_with_a_rate_waiting_for_a_slow_server_counts():
    # Due every 10 ms, answered every 50: the last of 10 is 360 ms behind when it begins.
    measured = run_load(lambda: time.sleep(0.05), Plan(concurrency=1, count=10, rate=100))
    assert 0.41 <= max(measured.latencies) < 1.5
    assert sorted(measured.latencies) == measured.latencies


def test_no_more_are_under_way_than_asked():
    under_way, most, lock = 0, 0, threading.Lock()

    def send():
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        time.sleep(0.002)
        with lock:
            under_way -= 1

    run_load(send, Plan(concurrency=6, count=100))
    assert most == 6


def test_errors_are_counted_and_timed_apart():
    number = iter(range(100))

    def send():
        if next(number) % 4 == 0:
            raise CallError(grpc.StatusCode.UNAVAILABLE, "away")

    measured = run_load(send, Plan(count=20))
    assert measured.errors == {"UNAVAILABLE": 5}
    assert len(measured.latencies) == 15


def test_a_bug_ends_the_load_and_is_told():
    def send():
        raise ZeroDivisionError("here")

    with pytest.raises(ZeroDivisionError, match="here"):
        run_load(send, Plan(concurrency=2, seconds=30))


def test_percentiles():
    measured = Measured([number / 1000 for number in range(1, 102)], seconds=2.0)
    measured.errors["INTERNAL"] = 3
    assert measured.report(rows=4) == {
        "requests": 104,
        "answered": 101,
        "errors": {"INTERNAL": 3},
        "seconds": 2.0,
        "requests_per_second": 50.5,
        "rows_per_second": 202.0,
        "latency_ms": {
            "mean": 51.0,
            "p50": 51.0,
            "p90": 91.0,
            "p95": 96.0,
            "p99": 100.0,
            "max": 101.0,
        },
    }
    assert Measured(seconds=1.0).report(rows=1)["latency_ms"] is None


def test_a_load_needs_an_end():
    with pytest.raises(ValueError, match="needs an end"):
        Plan()
