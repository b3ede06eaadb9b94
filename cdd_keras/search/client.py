"""A worker's line to its chief: KerasTuner's client, which waits minutes, not an hour."""

import functools
import threading
import time
from contextlib import contextmanager

import grpc
from keras_tuner.src import protos
from keras_tuner.src.distribute.oracle_client import OracleClient

from cdd_keras.errors import CddError
from cdd_keras.search.cluster import PATIENCE

BEAT_SECONDS = 2.0
# How often a worker whose chief is away looks whether the search has ended meanwhile.
LOOK_SECONDS = 5.0
AWAY = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)
# gRPC waits up to two minutes between attempts; a chief that came back would have given up its
# workers by then.
OPTIONS = (("grpc.max_reconnect_backoff_ms", 5000),)


class FinishedError(Exception):
    """All trials of the search have ended."""


class ChiefError(CddError):
    """The chief is gone, or could not answer a request."""


class ChiefClient(OracleClient):
    """KerasTuner's client of a chief.

    Args:
        oracle: the worker's own, for its settings.
        place: the worker's `Place`, entered.
        is_finished: tells whether all trials have ended, and so the chief need not come back.
        say: called with a line for the person watching.
        patience: seconds that the chief may be away.
    """

    def __init__(self, oracle, place, is_finished, say, patience=PATIENCE):
        super().__init__(oracle)
        channel = grpc.insecure_channel(place.address, options=OPTIONS)
        stub = protos.get_service_grpc().OracleStub(channel)
        self.stub = _PatientStub(stub, place, is_finished, say, patience)

    @contextmanager
    def beating(self, trial: str):
        """Inside, signs of life are sent for a trial."""
        done = threading.Event()

        def send():
            while not done.wait(BEAT_SECONDS):
                try:
                    self.get_trial(trial)
                except (ChiefError, FinishedError):
                    # It is away, perhaps to come back; the trial goes on meanwhile.
                    continue

        threading.Thread(target=send, daemon=True).start()
        try:
            yield
        finally:
            done.set()


class _PatientStub:
    """KerasTuner's stub; raises ChiefError, and FinishedError in place of waiting for nobody."""

    def __init__(self, stub, place, is_finished, say, patience):
        self._stub = stub
        self._address = place.address
        self._is_finished = is_finished
        self._say = say
        self._patience = patience
        self._answers = True

    def __getattr__(self, name):
        return functools.partial(self._ask, getattr(self._stub, name))

    def _ask(self, call, request, **_):
        until = time.monotonic() + self._patience
        while True:
            left = max(0.0, until - time.monotonic())
            future = call.future(request, wait_for_ready=True, timeout=left)
            try:
                return self._await(future)
            except grpc.RpcError as error:
                # Killed while it answered, it may come back; every request may be made again.
                if error.code() not in AWAY:
                    raise ChiefError(
                        f"the chief at {self._address} has failed: {error.details()}. Mend what it "
                        "says, start it again with --resume, then this worker."
                    ) from error
                if self._is_finished():
                    raise FinishedError from error
                if time.monotonic() >= until:
                    raise ChiefError(
                        f"the chief at {self._address} has not answered for {self._patience:g} "
                        "seconds. Start it again with --resume, then this worker."
                    ) from error
            time.sleep(0.5)

    def _await(self, future):
        """The answer to one request; a chief that is busy is not asked again.

        Raises:
            FinishedError: the search has ended meanwhile.
        """
        while True:
            try:
                answer = future.result(timeout=LOOK_SECONDS)
            except grpc.FutureTimeoutError:
                if self._is_finished():
                    future.cancel()
                    raise FinishedError from None
                if self._answers:
                    self._answers = False
                    self._say(f"waiting for the chief at {self._address} ({self._patience:g} s)")
                continue
            self._answers = True
            return answer
