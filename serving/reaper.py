"""Collects garbage when models come and go, away from the requests."""

import gc
import threading


class Reaper:
    """Collects garbage when it is told that something large has come or was let go.

    The functions of a SavedModel refer to each other in circles, which Python finds only by
    looking at everything. That takes some 100 ms, in which nothing else runs; here it is done once
    for several models that go at a time, and not by a thread that has a client's answer in hand.
    What is left is then kept out of Python's own collections: those that requests bring about
    look at what has come since, where each looked at TensorFlow's and the models' million objects.
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
        """Ends the thread."""
        self._closed = True
        self._wanted.set()
        self._thread.join()

    def _run(self):
        while not self._closed:
            self._wanted.wait()
            self._wanted.clear()
            gc.unfreeze()
            gc.collect()
            gc.freeze()
