"""Collects garbage when models come and go, away from the requests."""

import gc
import threading
import time

# It looks once nothing has come or gone for so long, at the latest after so long.
_QUIET_SECONDS = 0.5
_MOST_SECONDS = 2


class Reaper:
    """Collects garbage when it is told that something large has come or was let go.

    The functions of a SavedModel refer to each other in circles, which Python finds only by
    looking at everything. That takes some 200 ms, in which nothing else runs; here it is done once
    for all that comes and goes at a time, and not by a thread that has a client's answer in hand.
    What is left is then kept out of Python's own collections: those that requests bring about
    look at what has come since, where each looked at TensorFlow's and the models' million objects.

    It waits a little, since what it keeps while a last request still holds it is not freed before
    something else comes or goes.
    """

    def __init__(self):
        self._wanted = threading.Event()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="reaper", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Asks for a collection, soon."""
        self._wanted.set()

    def close(self) -> None:
        """Ends the thread, and gives everything back to Python's own collections."""
        self._closed = True
        self._wanted.set()
        self._thread.join()

    def _run(self):
        while self._wait():
            gc.unfreeze()
            gc.collect()
            gc.freeze()
        gc.unfreeze()

    def _wait(self):
        """Returns when it is time for a collection: whether there is to be one."""
        self._wanted.wait()
        end = time.monotonic() + _MOST_SECONDS
        while not self._closed and time.monotonic() < end:
            self._wanted.clear()
            if not self._wanted.wait(_QUIET_SECONDS):
                break
        return not self._closed
