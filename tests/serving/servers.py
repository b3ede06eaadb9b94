"""Servers for the tests: in this process where that is enough, else as the process users start."""

import os
import re
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import grpc
import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import (
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

START_SECONDS = 120


class Connection:
    """Stubs on a channel to `address`, and the REST address beside it."""

    def __init__(self, address, rest=None, channel=None):
        self.address = address
        self.rest = rest
        self.channel = channel or grpc.insecure_channel(
            address, options=[("grpc.max_receive_message_length", -1)]
        )
        self.prediction = prediction_service_pb2_grpc.PredictionServiceStub(self.channel)
        self.models = model_service_pb2_grpc.ModelServiceStub(self.channel)

    def predict(self, model, inputs, signature="", timeout=20, version=None, **fields):
        """{output: array} of a Predict call; inputs are arrays."""
        request = predict_request(model, inputs, signature, version, **fields)
        response = self.prediction.Predict(request, timeout=timeout)
        return {name: tf.make_ndarray(proto) for name, proto in response.outputs.items()}

    def close(self):
        self.channel.close()


def predict_request(model, inputs, signature="", version=None, **fields):
    request = predict_pb2.PredictRequest(**fields)
    request.model_spec.name = model
    request.model_spec.signature_name = signature
    if version is not None:
        request.model_spec.version.value = version
    for name, value in inputs.items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
    return request


def row(*numbers):
    return np.array(numbers, np.float32)


@contextmanager
def running_app(**options):
    """A Connection to a server in this process, on free ports."""
    from serving.app import App
    from serving.options import Options

    defaults = {"host": "localhost", "port": 0, "rest_port": 0, "grace_seconds": 5}
    app = App(Options(**{**defaults, **options}))
    app.load()
    app.listen()
    connection = Connection(f"localhost:{app.port}", f"localhost:{app.rest_port}")
    connection.app = app
    try:
        yield connection
    finally:
        connection.close()
        app.stop()


class Process:
    """`python -m serving.server` as a process of its own.

    Attributes:
        connection: a Connection, once `wait_ready` has returned.
        lines: what it has printed, both streams.
    """

    def __init__(self, *arguments, module="serving.server"):
        command = [sys.executable, "-m", module, "--host", "localhost", *map(str, arguments)]
        here = str(Path(__file__).parent)
        # The tests' folder too, for servers that stand there.
        paths = os.pathsep.join([str(Path(__file__).parents[2]), here])
        self.process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "PYTHONPATH": paths},
        )
        self.lines = []
        self.connection = None
        self._ready = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.append(line.rstrip())
            if line.strip() == "ready":
                self._ready.set()
        self._ready.set()

    def wait_ready(self):
        assert self._ready.wait(START_SECONDS), self.text
        assert "ready" in self.lines, self.text
        port = re.search(r"gRPC on \S+:(\d+)", self.text)[1]
        rest = re.search(r"REST on http://\S+?:(\d+)/", self.text)
        self.connection = Connection(f"localhost:{port}", rest and f"localhost:{rest[1]}")
        return self

    @property
    def text(self):
        return "\n".join(self.lines)

    def wait(self, seconds=START_SECONDS):
        """The exit code, once it has ended."""
        code = self.process.wait(seconds)
        self._reader.join(seconds)
        return code

    def kill(self):
        if self.connection:
            self.connection.close()
        self.process.kill()
        self.process.wait()
        self._reader.join()
        self.process.stdout.close()


@contextmanager
def running_process(*arguments, ready=True):
    process = Process("--port", 0, "--rest-port", 0, *arguments)
    try:
        yield process.wait_ready() if ready else process
    finally:
        process.kill()


def eventually(holds, seconds=20):
    """Waits until `holds()` is true; fails when it stays false."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not come true in time"
        time.sleep(0.02)
