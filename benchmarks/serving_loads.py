"""Loads on our server, from one process: `serving_loads.py ADDRESS`.

Each line of its input, SECONDS MODEL:SIGNATURE:ROWS:CONCURRENCY, is a load to measure, and each
line of its output the figures of one, as JSON. A load sends the bytes of one request again and
again; answers stay bytes.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from serving.client.loading import Plan, run_load

SIZE = 64
TIMEOUT = 60
WARM_SECONDS = 0.5


def serve_measures(measure: Callable[[str, str, int, int, float], dict]) -> None:
    """Answers lines as this file's docstring has them, until the input ends.

    Args:
        measure: (model, signature, rows, concurrency, seconds) -> figures.
    """
    print("ready", flush=True)
    for line in sys.stdin:
        seconds, case = line.split()
        model, signature, rows, concurrency = case.split(":")
        found = measure(model, signature, int(rows), int(concurrency), float(seconds))
        print(json.dumps(found), flush=True)


def loaded(prepare: Callable) -> Callable[[str, str, int, int, float], dict]:
    """Measures loads.

    Args:
        prepare: (model, signature, {input: array}) -> a function that sends that request.
    """

    def measure(model, signature, rows, concurrency, seconds):
        send = prepare(model, signature, inputs(model, rows))
        run_load(send, Plan(concurrency, WARM_SECONDS))
        return run_load(send, Plan(concurrency, seconds)).report(rows)

    return measure


def inputs(model: str, rows: int) -> dict[str, np.ndarray]:
    """A request's arrays."""
    image = np.random.default_rng(0).uniform(-1, 1, (rows, SIZE, SIZE, 3))
    arrays = {"image": image.astype(np.float32)}
    if model == "cdd_generator":
        for name, value in (("label", 1), ("source_domain", 0), ("target_domain", 1)):
            arrays[name] = np.full(rows, value, np.int32)
    return arrays


def main(address):
    from serving.client.answers import ModelSpec
    from serving.client.client import Client

    with Client(address) as client:

        def prepare(model, signature, arrays):
            send = client.transport.prepared(ModelSpec(model, signature), arrays)
            return lambda: send(TIMEOUT)

        serve_measures(loaded(prepare))


if __name__ == "__main__":
    main(*sys.argv[1:])
