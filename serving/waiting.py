"""Those who wait for requests in batches, in threads or in event loops, and how they are told."""

import asyncio
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress


class Waiter:
    """Who waits for a request: told once, when the last of its parts is done.

    Args:
        wake: called then; it may have nothing to do by that time.
        loop: where it is called; None for the thread that has done the last part.
    """

    def __init__(self, wake: Callable[[], None], loop: asyncio.AbstractEventLoop | None = None):
        self.wake = wake
        self.loop = loop
        self._lock = threading.Lock()
        self._left = 0

    def expect(self, parts: int) -> None:
        """Sets how many parts there are, before any is done."""
        self._left = parts

    def part_done(self) -> bool:
        """Notes that a part is done: whether it was the last."""
        with self._lock:
            self._left -= 1
            return self._left == 0


def tell(waiters: Iterable[Waiter]) -> None:
    """Notes that a part is done for each of these, and wakes those for whom it was the last.

    A loop is woken once for all of its own: each time takes a system call, and the loop would
    begin to work on the first while the others are still brought.
    """
    wakes: dict[asyncio.AbstractEventLoop | None, list[Callable[[], None]]] = {}
    for waiter in waiters:
        if waiter.part_done():
            wakes.setdefault(waiter.loop, []).append(waiter.wake)
    for loop, some in wakes.items():
        if loop is None:
            _call_all(some)
            continue
        # A loop that is closed has nobody left who waits.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(_call_all, some)


def _call_all(functions):
    for function in functions:
        function()
