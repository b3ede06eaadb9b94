"""A bounded load: many requests, and how long each took."""

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic, sleep

import grpc
import numpy as np

from serving.client.errors import CallError

PERCENTILES = (50, 90, 95, 99)
# Time points are waited for in pieces, so that an interrupted load ends soon.
_NAP = 0.1


@dataclass(frozen=True)
class Plan:
    """What a load is: it ends with `count` or `seconds`, whichever comes first.

    Attributes:
        concurrency: requests under way at a time, at most.
        seconds: after which no more are sent; None: no bound.
        count: requests in all; None: no bound.
        rate: requests a second, begun at even times; None: the next when one is answered.
    """

    concurrency: int = 1
    seconds: float | None = None
    count: int | None = None
    rate: float | None = None

    def __post_init__(self):
        if self.seconds is None and self.count is None:
            raise ValueError("A load needs an end: `seconds` or `count`.")


@dataclass
class Measured:
    """What came of a load: seconds each answered request took, and errors by code."""

    latencies: list[float] = field(default_factory=list)
    errors: Counter = field(default_factory=Counter)
    seconds: float = 0.0

    def report(self, rows: int) -> dict:
        """JSON values, latencies in milliseconds; `rows` is how many each request held.

        Latencies are of answered requests; without any they are None. With a rate they count
        from when a request was due, so that a server that falls behind is seen to.
        """
        answered = len(self.latencies)
        rate = answered / self.seconds if self.seconds else 0.0
        return {
            "requests": answered + self.errors.total(),
            "answered": answered,
            "errors": dict(sorted(self.errors.items())),
            "seconds": round(self.seconds, 3),
            "requests_per_second": round(rate, 2),
            "rows_per_second": round(rate * rows, 2),
            "latency_ms": self._latency() if answered else None,
        }

    def _latency(self) -> dict[str, float]:
        times = np.array(self.latencies) * 1000
        points = zip(PERCENTILES, np.percentile(times, PERCENTILES), strict=True)
        figures = {
            "mean": times.mean(),
            **{f"p{point}": value for point, value in points},
            "max": times.max(),
        }
        return {name: round(float(value), 3) for name, value in figures.items()}


def run_load(send: Callable[[], object], plan: Plan) -> Measured:
    """Calls `send` as the plan has it, from threads; a `CallError` is counted by its code."""
    clock = _Clock(plan)
    workers = [_Worker(send, clock) for _ in range(plan.concurrency)]
    try:
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    finally:
        # On Ctrl-C too, no worker begins another request.
        clock.stop()
    measured = Measured(seconds=monotonic() - clock.start)
    for worker in workers:
        if worker.failure:
            raise worker.failure
        measured.latencies += worker.latencies
        measured.errors += worker.errors
    return measured


class _Clock:
    """Tells workers when the next request is due, and when there is none."""

    def __init__(self, plan: Plan):
        self.plan = plan
        self.start = monotonic()
        self._end = self.start + plan.seconds if plan.seconds else float("inf")
        self._sent, self._stopped = 0, False
        self._lock = threading.Lock()

    def next_due(self) -> float | None:
        """When the request now taken is due, or None at the end; waits until then."""
        with self._lock:
            if self._sent == self.plan.count:
                return None
            number, self._sent = self._sent, self._sent + 1
        due = self.start + number / self.plan.rate if self.plan.rate else monotonic()
        while not self._stopped and (wait := min(due, self._end) - monotonic()) > 0:
            sleep(min(wait, _NAP))
        # Late requests of a rate are still sent: they were due before the end.
        return None if self._stopped or due >= self._end else due

    def stop(self) -> None:
        self._stopped = True


class _Worker(threading.Thread):
    def __init__(self, send, clock):
        super().__init__(daemon=True)
        self.send, self.clock = send, clock
        self.latencies: list[float] = []
        self.errors: Counter = Counter()
        self.failure: Exception | None = None

    def run(self):
        try:
            while (due := self.clock.next_due()) is not None:
                self._once(due)
        except Exception as error:
            # Told by the thread that asked for the load.
            self.failure = error
            self.clock.stop()

    def _once(self, due):
        try:
            self.send()
        except CallError as error:
            self.errors[error.code.name] += 1
            if error.code is grpc.StatusCode.UNAVAILABLE:
                # A server that is away refuses at once; asking it thousands of times a second
                # would be a load on this machine alone.
                sleep(_NAP)
        else:
            self.latencies.append(monotonic() - due)
