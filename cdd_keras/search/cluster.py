"""A search on several processes or machines: a chief that chooses, workers that train.

The transport is KerasTuner's own, an `OracleServicer` on the chief and an `OracleClient` in each
worker, see `client`. A worker asks after its trial every few seconds; that is its sign of life.
One that gives none is taken for dead, and its trial goes to the next that asks.

Raw, unauthenticated gRPC: for a network of one's own.
"""

import os
import time
import uuid
from collections.abc import Iterator, Mapping
from concurrent import futures
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cdd_keras.errors import CddError, UsageError

if TYPE_CHECKING:
    import grpc

# Seconds that a worker waits for its chief.
PATIENCE = 600.0
ALONE, CHIEF, WORKER = "alone", "chief", "worker"
IP, PORT, ID = "KERASTUNER_ORACLE_IP", "KERASTUNER_ORACLE_PORT", "KERASTUNER_TUNER_ID"


@dataclass(frozen=True)
class Place:
    """A process's part in a search: ALONE, or CHIEF or WORKER with the chief's address."""

    role: str = ALONE
    host: str = ""
    port: int = 0
    name: str = "alone"

    @property
    def address(self) -> str:
        """The chief's, as HOST:PORT."""
        return f"{self.host}:{self.port}"

    def enter(self) -> None:
        """Tells KerasTuner, which reads it from the environment."""
        if self.role != ALONE:
            os.environ.update({IP: self.host, PORT: str(self.port), ID: self.name})


def find_place(chief: str | None, worker: str | None, environment: Mapping[str, str]) -> Place:
    """The part that flags, or else KerasTuner's environment variables, give a process.

    Args:
        chief: HOST:PORT to listen on, or None.
        worker: HOST:PORT of the chief, or None.
        environment: of the process.

    Raises:
        UsageError: both parts are given, or an address is not one, or a variable is missing.
    """
    if chief and worker:
        raise UsageError("--chief and --worker exclude each other. Give one of them.")
    if chief:
        return Place(CHIEF, *_address(chief, "--chief"), "chief")
    name = environment.get(ID)
    if worker:
        return Place(WORKER, *_address(worker, "--worker"), _worker_name(name))
    if IP not in environment:
        return Place()
    for variable in (PORT, ID):
        if not environment.get(variable):
            raise UsageError(f"{IP} is set and {variable} is not. Set both, or neither.")
    host, port = _address(f"{environment[IP]}:{environment[PORT]}", f"{IP}:{PORT}")
    return Place(CHIEF, host, port, "chief") if "chief" in name else Place(WORKER, host, port, name)


def _address(text: str, label: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise UsageError(f"`{label}` is no address: {text!r}. Expected HOST:PORT.")
    return host, int(port)


def _worker_name(given: str | None) -> str:
    # Containers may share a host name, and all have one number.
    name = given or f"worker-{uuid.uuid4().hex[:8]}-{os.uname().nodename}-{os.getpid()}"
    # KerasTuner takes whoever has this in its name for the chief.
    return name.replace("chief", "worker")


@contextmanager
def listening(place: Place) -> "Iterator[grpc.Server | None]":
    """A server that is bound to a chief's address, and stopped at the end; None for others.

    Raises:
        CddError: the address cannot be listened on.
    """
    if place.role != CHIEF:
        yield None
        return
    # As it is imported gRPC reads how much it is to say.
    import grpc

    # By default two chiefs could share a port.
    alone = (("grpc.so_reuseport", 0),)
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=8), options=alone)
    try:
        bound = server.add_insecure_port(place.address)
    except RuntimeError:
        bound = 0
    if not bound:
        raise CddError(
            f"cannot listen on {place.address}: it is taken, or not an address of this host."
        )
    try:
        yield server
    finally:
        server.stop(grace=1).wait()


def serve(server, oracle, place: Place, say, mark) -> None:
    """Answers workers until all trials have ended.

    Args:
        server: what `listening` gives.
        oracle: a `LastingOracle` whose `lease` is set.
        place: the chief's.
        say: called with a line for the person watching.
        mark: called when all trials have ended, to leave the mark that ends the workers.

    Raises:
        Exception: what a request raised.
    """
    from keras_tuner.src import protos
    from keras_tuner.src.distribute.oracle_chief import OracleServicer

    # Not KerasTuner's start_server: it waits for ever for a worker that has died.
    protos.get_service_grpc().add_OracleServicer_to_server(OracleServicer(oracle), server)
    server.start()
    if not oracle.finished:
        say(f"chief: waiting for workers on {place.address}")
    while not oracle.finished:
        time.sleep(0.2)
        for tuner_id, trial in oracle.reclaim():
            say(f"{tuner_id} gave no sign of life: trial {trial} goes to another worker")
    mark()
    # Who looked for the mark just before it was there is about to ask. One that is later finds
    # nobody, and then the mark.
    time.sleep(1)
