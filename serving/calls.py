"""The life of a request: its deadline, its cancellation, and its place among those in flight."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import grpc

from serving.errors import ServingError, deadline_exceeded, exhausted, unavailable


class Call:
    """One request under way.

    Args:
        timeout: seconds until its deadline; None for none, as is what no clock can tell (gRPC
            says 292 years of a call without one).
        size: bytes of the message that it came with.
    """

    def __init__(self, timeout: float | None = None, size: int = 0):
        if timeout is not None and timeout >= threading.TIMEOUT_MAX:
            timeout = None
        self.size = size
        self._deadline = None if timeout is None else time.monotonic() + timeout
        self._lock = threading.Lock()
        self._hooks: list[Callable[[], None]] = []
        self._cancelled = False

    @property
    def cancelled(self) -> bool:
        """Whether nobody waits for it any more."""
        return self._cancelled

    def remaining(self) -> float | None:
        """Seconds until the deadline, not below 0; None without one."""
        return None if self._deadline is None else max(0.0, self._deadline - time.monotonic())

    def cancel(self) -> None:
        """Lets go of the call: every hook is run once."""
        with self._lock:
            self._cancelled = True
            hooks, self._hooks = self._hooks, []
        for hook in hooks:
            hook()

    def on_cancel(self, hook: Callable[[], None]) -> None:
        """Runs `hook` when the call is cancelled, at once if it was."""
        with self._lock:
            if not self._cancelled:
                self._hooks.append(hook)
                return
        hook()

    def check(self) -> None:
        """Raises ServingError: DEADLINE_EXCEEDED or CANCELLED where the call is over."""
        if self.remaining() == 0:
            raise deadline_exceeded()
        if self._cancelled:
            raise ServingError(grpc.StatusCode.CANCELLED, "Request was cancelled")


class InFlight:
    """Counts the requests that are being answered, and turns away those over a limit.

    Args:
        limit: how many may be in flight at once.
        refusal: what those over it are told.
    """

    def __init__(self, limit: int, refusal: str):
        self._limit = limit
        self._refusal = refusal
        self._count = 0
        self._closed = False
        self._refused = 0.0
        self._changed = threading.Condition()

    @property
    def count(self) -> int:
        """How many are in flight now."""
        return self._count

    @contextmanager
    def admit(self, count: int = 1) -> Iterator[None]:
        """So many places for as long as the context lasts.

        Raises:
            ServingError: RESOURCE_EXHAUSTED at the limit, UNAVAILABLE once closed.
        """
        with self._changed:
            if self._closed:
                self._refused = time.monotonic()
                raise unavailable("The server is shutting down.")
            if self._count + count > self._limit:
                raise exhausted(self._refusal)
            self._count += count
        try:
            yield
        finally:
            with self._changed:
                self._count -= count
                self._changed.notify_all()

    def close(self) -> None:
        """Admits nobody any more."""
        with self._changed:
            self._closed = True
            self._refused = time.monotonic()

    def quiet(self) -> float:
        """Seconds since anybody was last refused for that, or since `close`."""
        return time.monotonic() - self._refused

    def drain(self, seconds: float) -> None:
        """Returns once nothing is in flight, or so many seconds have passed."""
        with self._changed:
            self._changed.wait_for(lambda: self._count == 0, seconds)
