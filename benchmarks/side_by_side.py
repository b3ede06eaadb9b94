"""Tiny trainings on one device and on several, beside each other, and how far apart they end."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np

from cdd_keras.workers import VARIABLE

# Two that wait for each other would for ever.
SECONDS = 600
ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "tests" / "on_devices.py"
ONE, MIRRORED, MULTIWORKER, PLAIN = "one device", "mirrored", "multiworker", "oneDNN off"
# The processes of each: strategy, logical CPUs, environment.
PLACES = {
    ONE: [("none", 1, {})],
    MIRRORED: [("mirrored", 2, {})],
    MULTIWORKER: [("multiworker", 1, {})] * 2,
    PLAIN: [("none", 1, {"TF_ENABLE_ONEDNN_OPTS": "0"})],
}


def cluster(count=2):
    """A value of TF_CONFIG for each of some workers on this machine."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    addresses = [f"127.0.0.1:{one.getsockname()[1]}" for one in sockets]
    for one in sockets:
        one.close()
    return [
        json.dumps({"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}})
        for index in range(count)
    ]


def environment(**others):
    """That of a process which imports what the tests do."""
    paths = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    return {**os.environ, "PYTHONPATH": paths, "TF_CPP_MIN_LOG_LEVEL": "3", **others}


def train(folder, trainings):
    """Runs `tests/on_devices.py` in some of `PLACES`, all at once; gives the folder of each.

    Args:
        folder: where a folder of each place is made.
        trainings: {name of a place: what is trained there, METHOD-OPTIMISER each}.

    Raises:
        RuntimeError: a process failed; the message is what it said.
    """
    found, running = {}, []
    for place in trainings:
        found[place] = Path(folder, place.replace(" ", "-"))
        found[place].mkdir()
        several = len(PLACES[place]) > 1
        configs = [{VARIABLE: one} for one in cluster()] if several else [{}]
        for (strategy, cpus, more), config in zip(PLACES[place], configs, strict=True):
            command = [sys.executable, str(SCRIPT), strategy, str(cpus), str(found[place])]
            running.append(
                subprocess.Popen(
                    [*command, *trainings[place]],
                    env=environment(**config, **more),
                    stderr=subprocess.PIPE,
                    text=True,
                )
            )
    try:
        for process in running:
            said = process.communicate(timeout=SECONDS)[1]
            if process.returncode:
                raise RuntimeError(said)
    finally:
        for process in running:
            process.kill()
    return found


def arrays(folder, training):
    """The losses of a training, and each of its weights."""
    with np.load(folder / f"{training}.npz") as file:
        losses, *weights = (file[name].astype("float64") for name in file.files)
    return losses, weights


def norms_apart(first, second):
    """The largest relative difference of two lists of tensors, norm by norm."""
    norms = np.array([[np.linalg.norm(one) for one in some] for some in (first, second)])
    return float(np.max(np.abs(norms[0] - norms[1]) / np.maximum(norms[0], 1e-30)))
