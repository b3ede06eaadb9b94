"""Being asked to stop: by Ctrl-C (SIGINT), or by a cluster (SIGTERM)."""

import signal
import sys
import threading
from contextlib import contextmanager

ASKED = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def held_signals(tell=lambda number: None):
    """Holds SIGINT and SIGTERM back; yields the list of those that came, delivered at the end.

    A second one of the same kind is not held: who asks twice does not want to wait. An error
    inside takes the place of the delivery. What is not heard is not held either, see `_heard`.

    Args:
        tell: called with the number of each that is held, in its handler.
    """
    came = []

    def hold(number, frame):
        came.append(signal.Signals(number))
        signal.signal(number, before[number])
        tell(number)

    before = {number: signal.signal(number, hold) for number in ASKED if _heard(number)}
    try:
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    for number in came:
        signal.raise_signal(number)


@contextmanager
def unheld_signals():
    """Has SIGINT and SIGTERM end the process at once: for waits inside of which no Python runs."""
    before = {number: signal.signal(number, signal.SIG_DFL) for number in ASKED if _heard(number)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def exit_on_sigterm():
    """Has SIGTERM end the process as an error does, by way of `finally`, with exit code 143."""
    if not _heard(signal.SIGTERM):
        yield
        return
    before = signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _heard(number):
    """Whether a signal reaches this thread: the main one, unless whoever began it ignores them.

    So does a shell with the SIGINT of commands in the background: Ctrl-C is not for them.
    """
    if threading.current_thread() is not threading.main_thread():
        return False
    return signal.getsignal(number) is not signal.SIG_IGN
